import type { ComponentState, Stateful } from "../contracts.js";
import { StateReader, u64Text } from "../state-reader.js";
import type { EntropySource } from "./virtio/entropy.js";

const STATE_VERSION = 1;
const BLOCK = 64;

/**
 * Random bytes that depend on a seed alone: the ChaCha20 key stream (RFC 8439) with the seed as key. Equal
 * seeds give equal bytes on every host; with a secret seed nobody can foretell them.
 */
export class SeededEntropy implements EntropySource, Stateful {
  readonly #key = new Uint32Array(8);
  /** Number of blocks made. */
  #counter = 0n;
  /** Bytes of the last block that have not been given yet. */
  #rest: Uint8Array = new Uint8Array(0);

  /** @param seed up to 32 bytes, or a number; shorter seeds are filled up with zeros. */
  constructor(seed: Uint8Array | number) {
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    if (typeof seed === "number") view.setFloat64(0, seed, true);
    else bytes.set(seed.subarray(0, 32));
    for (let word = 0; word < 8; word++) this.#key[word] = view.getUint32(4 * word, true);
  }

  fill(target: Uint8Array): void {
    for (let done = 0; done < target.length; ) {
      if (this.#rest.length === 0) this.#rest = chacha20Block(this.#key, this.#counter++);
      const count = Math.min(this.#rest.length, target.length - done);
      target.set(this.#rest.subarray(0, count), done);
      this.#rest = this.#rest.subarray(count);
      done += count;
    }
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      key: [...this.#key],
      counter: u64Text(this.#counter),
      rest: this.#rest.length,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("entropy", state, STATE_VERSION);
    this.#key.set(reader.integers("key", 8, 0xffff_ffff));
    this.#counter = reader.u64("counter");
    const rest = reader.unsigned("rest", 6);
    const last = this.#counter - 1n;
    this.#rest = rest === 0 ? new Uint8Array(0) : chacha20Block(this.#key, last).subarray(BLOCK - rest);
  }
}

/** "expand 32-byte k" */
const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/**
 * One block of the ChaCha20 key stream. The counter takes words 12 and 13, as in the original cipher (RFC 8439
 * gives the second of them to the nonce); words 14 and 15 are the nonce.
 */
export function chacha20Block(
  key: Uint32Array,
  counter: bigint,
  nonce: readonly [number, number] = [0, 0],
): Uint8Array {
  const input = new Uint32Array(16);
  input.set(SIGMA, 0);
  input.set(key, 4);
  input[12] = Number(counter & 0xffff_ffffn);
  input[13] = Number((counter >> 32n) & 0xffff_ffffn);
  input[14] = nonce[0];
  input[15] = nonce[1];
  const x = input.slice();
  for (let round = 0; round < 10; round++) {
    quarterRound(x, 0, 4, 8, 12);
    quarterRound(x, 1, 5, 9, 13);
    quarterRound(x, 2, 6, 10, 14);
    quarterRound(x, 3, 7, 11, 15);
    quarterRound(x, 0, 5, 10, 15);
    quarterRound(x, 1, 6, 11, 12);
    quarterRound(x, 2, 7, 8, 13);
    quarterRound(x, 3, 4, 9, 14);
  }
  const out = new Uint8Array(BLOCK);
  const view = new DataView(out.buffer);
  for (let word = 0; word < 16; word++) view.setUint32(4 * word, x[word]! + input[word]!, true);
  return out;
}

function quarterRound(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  x[a] = x[a]! + x[b]!;
  x[d] = rotate(x[d]! ^ x[a]!, 16);
  x[c] = x[c]! + x[d]!;
  x[b] = rotate(x[b]! ^ x[c]!, 12);
  x[a] = x[a]! + x[b]!;
  x[d] = rotate(x[d]! ^ x[a]!, 8);
  x[c] = x[c]! + x[d]!;
  x[b] = rotate(x[b]! ^ x[c]!, 7);
}

function rotate(value: number, count: number): number {
  return (value << count) | (value >>> (32 - count));
}
