# complete.bash FILE LINE...: what bash offers at the end of each LINE, a line of words for each, asked as readline asks.
. /usr/share/bash-completion/bash_completion
. "$1"
shift
for COMP_LINE; do
	COMP_POINT=${#COMP_LINE} COMP_TYPE=9
	# readline breaks words at these too.
	mapfile -t COMP_WORDS < <(sed 's/[:=]/ & /g; s/  */\n/g' <<<"$COMP_LINE")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_hapair hapair "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	echo "${COMPREPLY[*]}"
done
