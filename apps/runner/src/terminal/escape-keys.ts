/** What the keys behind Ctrl-A ask for. */
export type EscapeCommand = "quit" | "help" | "snapshot";

export const CTRL_A = 0x01;
const COMMANDS: ReadonlyMap<number, EscapeCommand> = new Map([
  [0x78, "quit"],
  [0x68, "help"],
  [0x3f, "help"],
  [0x73, "snapshot"],
]);

export const ESCAPE_HELP = `keys
  Ctrl-A x       ends the machine
  Ctrl-A s       saves a snapshot
  Ctrl-A h       this help
  Ctrl-A Ctrl-A  sends Ctrl-A to the guest`;

/** Tells the keys that are for hypercraft from those for the guest; Ctrl-A and its key may come apart. */
export class EscapeKeys {
  readonly #onCommand: (command: EscapeCommand) => void;
  #escaped = false;

  constructor(onCommand: (command: EscapeCommand) => void) {
    this.#onCommand = onCommand;
  }

  /** The bytes of `typed` that are for the guest. */
  filter(typed: Uint8Array): Uint8Array {
    if (!this.#escaped && !typed.includes(CTRL_A)) return typed;
    return Uint8Array.from([...typed].filter((byte) => this.#isForGuest(byte)));
  }

  #isForGuest(byte: number): boolean {
    if (!this.#escaped) {
      this.#escaped = byte === CTRL_A;
      return !this.#escaped;
    }
    this.#escaped = false;
    if (byte === CTRL_A) return true;
    const command = COMMANDS.get(byte);
    if (command !== undefined) this.#onCommand(command);
    return false;
  }
}
