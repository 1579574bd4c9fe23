# complete.zsh FILE LINE...: what zsh offers at the end of each LINE, a line of words for each. A shell at a terminal of its own completes
# as it does for a person; its compadd also says what matched.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "
PS1= PROMPT= RPROMPT=; stty -echo
unset zle_bracketed_paste
autoload -Uz compinit && compinit -D -u
functions[_hapair]=\"\$(<$1)\"
compdef _hapair hapair
compadd() {
	local -a matched
	builtin compadd \"\$@\"
	[[ \" \$* \" == *' -'[OAD]' '* ]] || {
		builtin compadd -O matched \"\$@\"
		print -r -l -- OFFER:\${^matched}:END
	}
}
say() { _main_complete; print -r -- ALL-OFFERED }
zle -C say complete-word say
bindkey '^T' say
print READ''Y
"
zpty -r -m shell seen '*READY*' || exit 1
shift
for line; do
	zpty -w -n shell "$line"$'\x14'
	zpty -r -m shell seen '*ALL-OFFERED*' || exit 1
	zpty -w -n shell $'\x15'
	print -r -- ${(f)"$(print -r -- "$seen" | tr -d '\r' | sed -n 's/^.*OFFER:\(.*\):END.*$/\1/p')"}
done
zpty -d shell
