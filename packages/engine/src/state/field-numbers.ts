import { type Field, MAX_STATE_BYTES } from "./layout.js";

const SLOTS = MAX_STATE_BYTES / 8;

/** A number for each of some state fields: faster than a map, above all to forget all of them. */
export class FieldNumbers {
  /** By field offset / 8; valid where `since` is the epoch. */
  private readonly numbers = new Int32Array(SLOTS);
  private readonly since = new Int32Array(SLOTS);
  private epoch = 1;

  clear(): void {
    this.epoch++;
  }

  /** The field's number, -1 if it has none. */
  get({ offset }: Field): number {
    const slot = offset >> 3;
    return this.since[slot] === this.epoch ? (this.numbers[slot] as number) : -1;
  }

  set({ offset }: Field, number: number): void {
    const slot = offset >> 3;
    this.numbers[slot] = number;
    this.since[slot] = this.epoch;
  }
}
