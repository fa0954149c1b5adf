import { type CommandSpec, parseArgs } from "./args.ts";

// Each script hands the words up to the cursor to `diplodock __complete` (complete.ts) and
// shows what comes back. COMP_WORDBREAKS holds ":" and "=", at which bash cuts words that we
// want whole: words are rebuilt from COMP_LINE, and candidates lose what bash cut off.
const BASH = `# bash completion for diplodock
_diplodock() {
  local line=\${COMP_LINE:0:COMP_POINT} cur=\${COMP_WORDS[COMP_CWORD]} kind=none out word
  local -a words
  read -r -a words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  local whole=\${words[\${#words[@]}-1]}
  COMPREPLY=()
  out=$("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null) || return
  local cut=\${whole%"\${whole##*[:=]}"}
  [[ $COMP_WORDBREAKS == *:* && $COMP_WORDBREAKS == *=* ]] || cut=
  while IFS= read -r word; do
    case $word in
      :file|:directory|:none) kind=\${word#:} ;;
      *) word=\${word%%$'\\t'*}; COMPREPLY+=("\${word#"$cut"}") ;;
    esac
  done <<< "$out"
  [[ $cur == : || $cur == = ]] && cur=
  case $kind in
    # As file names the colons of the candidates would be quoted.
    file) (( \${#COMPREPLY[@]} )) || compopt -o filenames; mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur") ;;
    directory) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  esac
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *: ]] && compopt -o nospace
}
complete -F _diplodock diplodock
`;

const ZSH = `#compdef diplodock
# zsh completion for diplodock
_diplodock() {
  local line kind=none
  local -a candidates places
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :file|:directory|:none) kind=\${line#:} ;;
      *:$'\\t'*) places+=("\${line%%$'\\t'*}") ;;
      ?*) candidates+=("\${\${line//:/\\\\:}/$'\\t'/:}") ;;
    esac
  done
  (( \${#places} )) && compadd -S '' -a places
  case $kind in
    file) _files ;;
    directory) _files -/ ;;
    *) (( \${#candidates} )) && _describe -V diplodock candidates ;;
  esac
}
if [ "$funcstack[1]" = "_diplodock" ]; then _diplodock "$@"; else compdef _diplodock diplodock; fi
`;

const FISH = `# fish completion for diplodock
function __diplodock_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l lines ($words[1] __complete -- $words[2..-1] 2>/dev/null)
  set -l kind none
  for line in $lines
    switch $line
      case ':file' ':directory' ':none'
        set kind (string sub -s 2 -- $line)
      case '*'
        printf '%s\\n' $line
    end
  end
  switch $kind
    case file
      __fish_complete_path (commandline -ct)
    case directory
      __fish_complete_directories (commandline -ct)
  end
end
complete -c diplodock -f -a '(__diplodock_complete)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export const spec = {
  name: "completion",
  usage: "bash|zsh|fish",
  summary: "Print the completion script of a shell",
  args: [1, 1],
  complete: [["bash", "fish", "zsh"]],
  flags: {},
  examples: [
    "source <(diplodock completion bash)",
    "diplodock completion zsh > ~/.zfunc/_diplodock",
    "diplodock completion fish > ~/.config/fish/completions/diplodock.fish",
  ],
} as const satisfies CommandSpec;

/** `diplodock completion`. */
export async function command(args: string[]): Promise<number> {
  const shell = parseArgs(spec, args).args[0];
  if (!Object.hasOwn(SCRIPTS, shell)) {
    const { UserError } = await import("../base/errors.ts");
    throw new UserError(`Cannot complete for shell "${shell}": known are bash, fish and zsh`);
  }
  const { writeOut } = await import("./output.ts");
  await writeOut(SCRIPTS[shell]);
  return 0;
}
