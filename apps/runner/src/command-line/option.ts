/** One option of a command. Its name is also its key in a configuration file. */
export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  /** What the argument is called in the help; an option without one is a flag. */
  readonly argument?: string;
  /** The argument may be left out, and then stands after `=` only. */
  readonly optional?: boolean;
  /** May be given several times. Of other options, the last one counts. */
  readonly repeat?: boolean;
  /** Only on the command line. */
  readonly commandLineOnly?: boolean;
  readonly help: string;
}

/** Options under a heading of the help. */
export interface OptionGroup {
  readonly title: string;
  readonly options: readonly OptionSpec[];
}

/** One value as it was written, with where that was. */
export interface Setting {
  readonly text: string;
  /** What messages call it: `--memory`, or `machine.toml: memory`. */
  readonly origin: string;
  /** Folder that a relative path in it starts from; undefined for the working folder. */
  readonly folder?: string;
}

/** Everything that was set, by option name; flags are "true" or "false". */
export type Settings = ReadonlyMap<string, readonly Setting[]>;

/** Settings of both; where both have a value, those of `over` count. */
export function overrideSettings(base: Settings, over: Settings): Settings {
  return new Map([...base, ...over]);
}
