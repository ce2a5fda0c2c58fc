import { CTRL_A } from "./escape-keys.js";

const DIGIT_0 = 0x30;
const KEY_N = 0x6e;

/** Which console the keyboard goes to next: the following one, or the one of a number from 1 to 9. */
export type ConsoleChoice = "next" | number;

export interface SwitchKeysOptions {
  /** Of what is for the console chosen last: called before another is chosen. */
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onChoice: (choice: ConsoleChoice) => void;
  /** Whoever gets the bytes knows further keys behind Ctrl-A; else Ctrl-A Ctrl-A is a plain Ctrl-A here. */
  readonly moreKeys: boolean;
}

/** Tells the keys that choose a console (Ctrl-A n, Ctrl-A 1 to 9) from all others, which go on as they are. */
export class SwitchKeys {
  readonly #options: SwitchKeysOptions;
  #escaped = false;

  constructor(options: SwitchKeysOptions) {
    this.#options = options;
  }

  /** Ctrl-A and its key may come apart. */
  feed(bytes: Uint8Array): void {
    const { onBytes, onChoice, moreKeys } = this.#options;
    let passing: number[] = [];
    const pass = () => {
      if (passing.length > 0) onBytes(Uint8Array.from(passing));
      passing = [];
    };
    for (const byte of bytes) {
      const escaped = this.#escaped;
      this.#escaped = !escaped && byte === CTRL_A;
      if (this.#escaped) continue;
      const choice = escaped ? choiceOf(byte) : undefined;
      if (choice !== undefined) {
        pass();
        onChoice(choice);
        continue;
      }
      if (escaped && (moreKeys || byte !== CTRL_A)) passing.push(CTRL_A);
      passing.push(byte);
    }
    pass();
  }
}

function choiceOf(byte: number): ConsoleChoice | undefined {
  if (byte === KEY_N) return "next";
  return byte > DIGIT_0 && byte <= DIGIT_0 + 9 ? byte - DIGIT_0 : undefined;
}
