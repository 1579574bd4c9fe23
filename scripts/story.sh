# story.sh: how a system story says what it saw. Sourced by tests/system/*.sh, which run-system starts with LAB_BUILD set.
#
# A story is a script that opens a lab, does something to a running pair, and prints one line for each thing that must be
# true: "ok - what (figures)" or "not ok - what (figures)". It ends with story_end. Timing is reported, not
# asserted, when the build has sanitizers in it.

. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

STORY_FAILED=0
: "${LAB_BUILD:=$LAB_TOP/build}"

# The control thread of the instruments stalled longer than this: the machine was busy elsewhere, the round says nothing.
STORY_VOID_MS=10

story() {
	echo "# $*"
	lab_open "$LAB_BUILD"
	STORY_SANITIZED=
	grep -q __asan_init "$LAB_HAPAIR" && STORY_SANITIZED=yes
}

ok() { echo "ok - $*"; }
not_ok() {
	echo "not ok - $*"
	STORY_FAILED=1
}

# expect TEXT COMMAND...: what the command says by its exit code.
expect() {
	local text=$1
	shift
	if "$@"; then ok "$text"; else not_ok "$text"; fi
}

# equal TEXT VALUE EXPECTED
equal() {
	if [ "$2" = "$3" ]; then ok "$1 ($2)"; else not_ok "$1 (is $2, expected $3)"; fi
}

# not_above VALUE LIMIT
not_above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a != "null" && a + 0 <= b + 0) }'; }

# at_most TEXT VALUE LIMIT UNIT: a count or a size, asserted in every build.
at_most() {
	if not_above "$2" "$3"; then ok "$1 ($2 ${4:-}, at most $3)"; else not_ok "$1 ($2 ${4:-}, at most $3 expected)"; fi
}

# within TEXT VALUE GOAL_MS: timing. The line says whether the goal was met; asserted is a bound that a busy machine keeps as well, unless
# LAB_STRICT is set: then the goal itself.
within() {
	local bound met=missed
	bound=$(story_bound "$3")
	not_above "$2" "$3" && met=met
	if [ -n "$STORY_SANITIZED" ]; then
		ok "$1 ($2 ms; with sanitizers only reported)"
	elif not_above "$2" "$bound"; then
		ok "$1 ($2 ms, goal of $3 ms $met)"
	else
		not_ok "$1 ($2 ms, goal of $3 ms missed, at most $bound expected)"
	fi
}

story_bound() { if [ -n "${LAB_STRICT:-}" ]; then echo "$1"; else echo $(($1 * 2 + 100)); fi; }

field() { jq -r "$2" <<<"$1"; }

median() { printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# rounds N GOAL_MS FUNCTION: runs it until N rounds count; FUNCTION sets WINDOW (JSON with stall_ms) and FIGURE. A round over what
# within() would accept in which the machine itself stalled is void and repeated, three times at most (a stall can only lengthen
# what is measured, so a figure that is good enough counts all the same). FIGURES has the figures that count; 1 when there are too few.
rounds() {
	local wanted=$1 limit function=$3 void=0 stall
	limit=$(story_bound "$2")
	FIGURES=
	STORY_ROUNDS=0
	while [ "$STORY_ROUNDS" -lt "$wanted" ]; do
		"$function" || return 1
		stall=$(field "$WINDOW" .stall_ms)
		if [ -z "$STORY_SANITIZED" ] && ! not_above "$FIGURE" "$limit" && ! not_above "$stall" "$STORY_VOID_MS"; then
			void=$((void + 1))
			echo "  void: the machine itself stalled for $stall ms (figure was $FIGURE)"
			[ $void -le 3 ] && continue
			not_ok "inconclusive: the machine stalls too often"
			return 1
		fi
		FIGURES="$FIGURES $FIGURE"
		STORY_ROUNDS=$((STORY_ROUNDS + 1))
	done
}

# What the nodes said, for a failure.
story_show_events() {
	local node
	for node in $LAB_NODES; do
		echo "  events of $node:"
		lab_hapair "$node" events 2>&1 | tail -"${1:-12}" | sed 's/^/    /'
		tail -5 "$LAB/$node/log" 2>/dev/null | sed "s/^/    log: /"
	done
}

story_end() {
	[ $STORY_FAILED = 0 ] || story_show_events
	exit $STORY_FAILED
}
