/** `bancos completion`: what a shell needs to complete command lines, made from the commands themselves. */
import { Argument, type Command, type Option } from "commander";
import type { Run } from "./command.ts";
import { EXIT_OK } from "./exit.ts";
import { out } from "./output.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

export function addCompletion(program: Command, run: Run): void {
  program
    .command("completion")
    .summary("write the completion script for a shell")
    .description("Writes what a shell needs to complete commands, options and file names of bancos.")
    .addArgument(new Argument("<shell>", "the shell").choices([...SHELLS]))
    .addHelpText(
      "after",
      `
Examples:
  bash  $ echo 'source <(bancos completion bash)' >> ~/.bashrc
  zsh   $ bancos completion zsh > "\${fpath[1]}/_bancos"
  fish  $ bancos completion fish > ~/.config/fish/completions/bancos.fish`,
    )
    .action(
      run((shell: (typeof SHELLS)[number]) => {
        out.write({ bash, zsh, fish }[shell](program));
        return EXIT_OK;
      }),
    );
}

const visible = (command: Command): Option[] => [...command.createHelp().visibleOptions(command)];
const names = (option: Option): string[] =>
  [option.short, option.long].filter((name): name is string => name !== undefined && name !== null);
const takesValue = (option: Option): boolean => option.required || option.optional;
const single = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const summaryOf = (command: Command): string => command.summary() || command.description();

/** Choices of the command's argument, such as the shells. */
const argumentChoices = (command: Command): readonly string[] =>
  command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);

function bash(program: Command): string {
  const commands = program.commands;
  const cases = commands.map((command) => {
    const options = visible(command);
    const values = options
      .filter((option) => takesValue(option))
      .map((option) => {
        const choices = option.argChoices;
        const words =
          choices === undefined
            ? "return"
            : `COMPREPLY=($(compgen -W ${single(choices.join(" "))} -- "$word")); return`;
        return `        ${names(option).join("|")}) ${words} ;;`;
      });
    const before = values.length === 0 ? "" : `\n      case "$previous" in\n${values.join("\n")}\n      esac`;
    const words = single(options.flatMap((option) => names(option)).join(" "));
    const choices = argumentChoices(command);
    const rest =
      choices.length === 0
        ? 'COMPREPLY=($(compgen -f -- "$word"))'
        : `COMPREPLY=($(compgen -W ${single(choices.join(" "))} -- "$word"))`;
    return `    ${command.name()})${before}
      if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W ${words} -- "$word"))
      else ${rest}; fi ;;`;
  });
  const all = [...commands.map((command) => command.name()), "help"].join(" ");
  return `# bash completion for bancos: source <(bancos completion bash)
_bancos() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ${single(`${all} --help --version`)} -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    help) COMPREPLY=($(compgen -W ${single(all)} -- "$word")) ;;
  esac
}
complete -o filenames -F _bancos bancos
`;
}

/** Text in a specification of _arguments. */
const zshText = (text: string): string => text.replace(/[[\]:\\]/g, (character) => `\\${character}`);

function zsh(program: Command): string {
  const describe = program.commands.map(
    (command) => `    ${single(`${command.name()}:${zshText(summaryOf(command))}`)}`,
  );
  const cases = program.commands.map((command) => {
    const specs = visible(command).map((option) => {
      const all = names(option);
      const exclusive = all.length > 1 ? `'(${all.join(" ")})'` : "";
      const flags = all.length > 1 ? `{${all.join(",")}}` : all[0]!;
      const value = takesValue(option)
        ? `:${zshText(option.attributeName())}:${option.argChoices === undefined ? "" : `(${option.argChoices.join(" ")})`}`
        : "";
      return `        ${exclusive}${flags}${single(`[${zshText(option.description)}]${value}`)}`;
    });
    const choices = argumentChoices(command);
    specs.push(
      choices.length === 0
        ? "        '*:file:_files'"
        : `        ${single(`1:shell:(${choices.join(" ")})`)}`,
    );
    return `      ${command.name()})\n        _arguments \\\n${specs.map((spec) => `  ${spec}`).join(" \\\n")}\n        ;;`;
  });
  return `#compdef bancos
# zsh completion for bancos
_bancos() {
  local -a commands
  commands=(
${describe.join("\n")}
    'help:explain a command'
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join("\n")}
      help) _describe 'command' commands ;;
  esac
}
if [ "$funcstack[1]" = "_bancos" ]; then _bancos "$@"; else compdef _bancos bancos; fi
`;
}

function fish(program: Command): string {
  const lines = ["# fish completion for bancos"];
  for (const command of program.commands) {
    lines.push(
      `complete -c bancos -n __fish_use_subcommand -f -a ${command.name()} -d ${fishText(summaryOf(command))}`,
    );
    const condition = `-n '__fish_seen_subcommand_from ${command.name()}'`;
    for (const option of visible(command)) {
      const short = option.short === undefined || option.short === null ? "" : ` -s ${option.short.slice(1)}`;
      const long = option.long === undefined || option.long === null ? "" : ` -l ${option.long.slice(2)}`;
      const value = takesValue(option)
        ? ` -x${option.argChoices === undefined ? "" : ` -a ${fishText(option.argChoices.join(" "))}`}`
        : "";
      lines.push(`complete -c bancos ${condition}${short}${long}${value} -d ${fishText(option.description)}`);
    }
    const choices = argumentChoices(command);
    if (choices.length > 0)
      lines.push(`complete -c bancos ${condition} -f -a ${fishText(choices.join(" "))}`);
  }
  const all = program.commands.map((command) => command.name()).join(" ");
  lines.push("complete -c bancos -n __fish_use_subcommand -f -a help -d 'explain a command'");
  lines.push(`complete -c bancos -n '__fish_seen_subcommand_from help' -f -a ${fishText(all)}`);
  return `${lines.join("\n")}\n`;
}

const fishText = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
