/**
 * `sluice completions`: scripts that teach a shell the commands, their flags and their choices. They are made from the
 * same tables as the help, so that they cannot say anything else.
 *
 * @module
 */
import { type Command, type Flag, HELP_FLAG } from "./command.ts";
import { type CommandGroup, type Commands, isGroup } from "./group.ts";

/** A place in the tree of commands: what may stand behind its words. */
interface Node {
  /** The words that lead here; empty for `sluice` itself. */
  readonly path: string;
  /** The next words, with their summaries. */
  readonly words: readonly (readonly [string, string])[];
  readonly flags: readonly Flag[];
}

const ROOT_FLAGS: readonly Flag[] = [HELP_FLAG, { name: "version", short: "V", summary: "show the version and exit" }];

const SHELLS = {
  bash: { write: bashScript, install: "sluice completions bash > /etc/bash_completion.d/sluice" },
  zsh: { write: zshScript, install: "sluice completions zsh > /usr/local/share/zsh/site-functions/_sluice" },
  fish: { write: fishScript, install: "sluice completions fish > ~/.config/fish/completions/sluice.fish" },
} as const;

/** The group; `commands` is the whole table, this group included. */
export function completionsGroup(commands: () => Commands): CommandGroup {
  return {
    name: "completions",
    summary: "write a completion script for bash, zsh or fish",
    description: "Writes a script that completes commands, flags and their values. Write it to where the shell looks.",
    flags: [],
    commands: {
      bash: () => Promise.resolve(shellCommand("bash", commands)),
      zsh: () => Promise.resolve(shellCommand("zsh", commands)),
      fish: () => Promise.resolve(shellCommand("fish", commands)),
    },
  };
}

function shellCommand(shell: keyof typeof SHELLS, commands: () => Commands): Command {
  const { write, install } = SHELLS[shell];
  return {
    name: `completions ${shell}`,
    summary: `write the script for ${shell}`,
    description: `Writes the completion script for ${shell} to standard output, for example\n  ${install}`,
    flags: [],
    needs: [],
    run: async (_args, io) => {
      io.out(write(await nodesOf(commands())));
      return 0;
    },
  };
}

async function nodesOf(commands: Commands, path = "", flags: readonly Flag[] = ROOT_FLAGS): Promise<readonly Node[]> {
  const names = Object.keys(commands);
  const entries = await Promise.all(Object.values(commands).map((load) => load()));
  const words = entries.map((entry, index): [string, string] => [names[index] ?? "", entry.summary]);
  const below = await Promise.all(entries.map(async (entry, index) => {
    const at = `${path} ${names[index] ?? ""}`.trim();
    const own = [...entry.flags, HELP_FLAG];
    return isGroup(entry) ? await nodesOf(entry.commands, at, own) : [{ path: at, words: [], flags: own }];
  }));
  return [{ path, words, flags }, ...below.flat()];
}

/** Flags whose value is the name of a file; of others only choices are known. */
function takesFile(flag: Flag): boolean {
  return flag.value === "FILE";
}

function namesOf(flag: Flag): readonly string[] {
  return [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])];
}

/** Flags that take a value, wherever they are: a word behind one is no command. */
function valuedFlags(nodes: readonly Node[]): readonly string[] {
  const flags = nodes.flatMap((node) => node.flags).filter((flag) => flag.value !== undefined);
  return [...new Set(flags.flatMap(namesOf))].sort();
}

/** The lines of a shell `case` that sets what the place `$at` offers. */
function casesOf(nodes: readonly Node[], line: (node: Node) => string): string {
  return nodes.map((node) => `    "${node.path}") ${line(node)} ;;\n`).join("");
}

/** The lines of a shell `case` that answers for a flag that waits for its value. */
function valueCases(nodes: readonly Node[], files: string, choices: (words: readonly string[]) => string): string {
  const lines = new Map<string, string>();
  for (const { path, flags } of nodes) {
    for (const flag of flags.filter((each) => each.value !== undefined)) {
      const answer = takesFile(flag) ? files : choices(flag.choices ?? []);
      for (const name of namesOf(flag)) lines.set(`"${path} ${name}"`, answer);
    }
  }
  const byAnswer = Map.groupBy(lines, ([, answer]) => answer);
  return [...byAnswer].map(([answer, places]) =>
    `    ${places.map(([place]) => place).join("|")}) ${answer}; return ;;\n`
  ).join("");
}

function walk(nodes: readonly Node[], words: string): string {
  const paths = nodes.filter((node) => node.path !== "").map((node) => `"${node.path}"`).join("|");
  return `  for word in ${words}; do
    if [[ -n $skip ]]; then skip=; continue; fi
    case $word in
      ${valuedFlags(nodes).join("|")}) skip=1; continue ;;
      -*) continue ;;
    esac
    next="\${at:+$at }$word"
    case $next in
      ${paths}) at=$next ;;
    esac
  done
`;
}

function bashScript(nodes: readonly Node[]): string {
  const offers = casesOf(nodes, ({ words, flags }) => {
    const all = [...words.map(([word]) => word), ...flags.map((flag) => `--${flag.name}`)];
    return `offer="${all.join(" ")}"`;
  });
  const words = (choices: readonly string[]) => `COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$current"))`;
  return `# bash completion of sluice; made by: sluice completions bash
_sluice() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} at= skip= word next offer=
  COMPREPLY=()
  # bash takes --flag=value for three words.
  if [[ $current == "=" ]]; then current=; fi
  if [[ $previous == "=" ]]; then previous=\${COMP_WORDS[COMP_CWORD-2]}; fi
${walk(nodes, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}  case "$at $previous" in
${valueCases(nodes, 'COMPREPLY=($(compgen -f -- "$current"))', words)}  esac
  case $at in
${offers}  esac
  COMPREPLY=($(compgen -W "$offer" -- "$current"))
}
complete -o filenames -o bashdefault -F _sluice sluice
`;
}

function zshScript(nodes: readonly Node[]): string {
  const described = (text: string, summary: string) => singleQuoted(`${text.replaceAll(":", "\\:")}:${summary}`);
  const offers = casesOf(nodes, ({ words, flags }) => {
    const all = [
      ...words.map(([word, summary]) => described(word, summary)),
      ...flags.map((flag) => described(`--${flag.name}`, flag.summary)),
    ];
    return `offer=(${all.join(" ")})`;
  });
  return `#compdef sluice
# zsh completion of sluice; made by: sluice completions zsh
_sluice() {
  local at= skip= word next previous=\${words[CURRENT-1]}
  local -a offer
${walk(nodes, '"${(@)words[2,CURRENT-1]}"')}  case "$at $previous" in
${
    valueCases(nodes, "_files", (choices) =>
      choices.length === 0 ? "_message value" : `compadd -- ${choices.join(" ")}`)
  }  esac
  case $at in
${offers}  esac
  _describe sluice offer
}
if [[ $funcstack[1] == _sluice ]]; then _sluice "$@"; else compdef _sluice sluice; fi
`;
}

function fishScript(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, words, flags }) => {
    const here = `-n ${singleQuoted(`test (__sluice_at) = "${path}"`)}`;
    return [
      ...words.map(([word, summary]) => `complete -c sluice -f ${here} -a ${word} -d ${fishQuoted(summary)}`),
      ...flags.map((flag) => {
        const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
        const choices = flag.choices === undefined ? "" : ` -a ${fishQuoted(flag.choices.join(" "))}`;
        const value = flag.value === undefined ? "" : takesFile(flag) ? " -r -F" : ` -x${choices}`;
        return `complete -c sluice ${here} -l ${flag.name}${short}${value} -d ${fishQuoted(flag.summary)}`;
      }),
    ];
  });
  const paths = nodes.filter((node) => node.path !== "").map((node) => `"${node.path}"`).join(" ");
  return `# fish completion of sluice; made by: sluice completions fish
function __sluice_at
    set -l at
    set -l skip
    for word in (commandline -opc)[2..]
        if test -n "$skip"
            set skip
            continue
        end
        switch $word
            case ${valuedFlags(nodes).join(" ")}
                set skip 1
                continue
            case '-*'
                continue
        end
        set -l next (string trim -- "$at $word")
        if contains -- "$next" ${paths}
            set at $next
        end
    end
    echo "$at"
end
complete -c sluice -f
${lines.join("\n")}
`;
}

function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** fish knows \\' and \\\\ within single quotes. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
