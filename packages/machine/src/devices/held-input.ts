import type { ByteSource } from "../console/bytes.js";
import type { Plain } from "../contracts.js";
import type { StateReader } from "../state-reader.js";

/** Reads of a status register without another register access between that only a loop waiting for input makes. */
const POLLS_OF_A_LISTENER = 8;

export interface HeldInputOptions {
  readonly source: ByteSource | undefined;
  /** Hold it until the guest listens; otherwise it flows at once. */
  readonly wait: boolean;
  /** There may be input now that was not there before. */
  readonly arrived: () => void;
}

/**
 * The input of a UART, held until the guest listens: until it enables its interrupt, or reads the status many times in
 * a row. What the guest clears before it has read a character comes again. Otherwise drivers that empty the FIFO at
 * their start lose what was typed before.
 */
export class HeldInput {
  readonly #source: ByteSource | undefined;
  readonly #wait: boolean;
  readonly #arrived: () => void;
  /** Polls since another register was used; `POLLS_OF_A_LISTENER` from when on the guest listens. */
  #polls = 0;
  /** Whether the guest has read a character. */
  #heard = false;
  /** Characters that the guest cleared unread, to be received again. */
  #kept: number[] = [];

  constructor({ source, wait, arrived }: HeldInputOptions) {
    this.#source = source;
    this.#wait = wait;
    this.#arrived = arrived;
    this.reset();
    source?.onReadable(arrived);
  }

  reset(): void {
    this.#polls = this.#wait ? 0 : POLLS_OF_A_LISTENER;
    this.#heard = false;
    this.#kept = [];
  }

  /** Does input flow, should there be any? */
  get flows(): boolean {
    return this.#source !== undefined && this.#listening;
  }

  /** Number of characters that `read` would give now. */
  get available(): number {
    return this.flows ? this.#kept.length + (this.#source?.available ?? 0) : 0;
  }

  /** The next character, or -1 when there is none now. */
  read(): number {
    return this.#kept.shift() ?? this.#source?.read() ?? -1;
  }

  /** The guest reads the register that tells of input, or another one. */
  noteRead(status: boolean): void {
    if (this.#listening) return;
    if (!status) this.#polls = 0;
    else if (this.#polls === POLLS_OF_A_LISTENER - 1) this.listen();
    else this.#polls++;
  }

  noteWrite(): void {
    if (!this.#listening) this.#polls = 0;
  }

  /** The guest enables the interrupt that tells of input. */
  listen(): void {
    if (this.#listening) return;
    this.#polls = POLLS_OF_A_LISTENER;
    this.#arrived();
  }

  /** The guest reads a character. */
  noteHeard(): void {
    this.#heard = true;
  }

  /** The guest clears characters without reading them. */
  noteCleared(characters: readonly number[]): void {
    if (this.#wait && !this.#heard) this.#kept.unshift(...characters);
  }

  state(): { readonly polls: number; readonly heard: boolean; readonly kept: readonly Plain[] } {
    return { polls: this.#polls, heard: this.#heard, kept: [...this.#kept] };
  }

  /**
   * @param size of the FIFO that was cleared.
   * @param largest number that stands for a character.
   * Throws `MachineError` with code `BadSnapshot`, and changes nothing then.
   */
  restore(reader: StateReader, size: number, largest: number): void {
    const polls = reader.integer("polls");
    const heard = reader.flag("heard");
    const kept = reader.integers("kept", size, largest);
    this.#polls = Math.min(polls, POLLS_OF_A_LISTENER);
    this.#heard = heard;
    this.#kept = kept;
  }

  get #listening(): boolean {
    return this.#polls === POLLS_OF_A_LISTENER;
  }
}
