import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { Prng } from "@hypercraft/engine";
import { expect, test } from "vitest";
import { V } from "../cpu/state.js";
import { OneInstruction } from "../testing/one-instruction.js";

// Whole algorithms built from the instructions, against those of the machine the tests run on.

const random = (seed: number, length: number): Uint8Array => {
  const prng = new Prng(seed);
  return Uint8Array.from({ length }, () => prng.below(256));
};

const put = (machine: OneInstruction, index: number, bytes: Uint8Array): void => {
  let value = 0n;
  for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte);
  machine.state.set(V[index]!, value);
};

const take = (machine: OneInstruction, index: number): Uint8Array => {
  const value = machine.state.get(V[index]!);
  return Uint8Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
};

const [STATE, KEY, ZERO] = [0, 1, 2];

/** The byte that AESE makes of another: with all bytes alike, rows do not matter. */
function substituted(byte: number): number {
  const machine = new OneInstruction();
  put(machine, STATE, new Uint8Array(16).fill(byte));
  return take(machine.execute("aese.v", { vd: STATE, vn: ZERO }), STATE)[0] as number;
}

/** FIPS 197, 5.2, for keys of 128 bits. */
function roundKeys(key: Uint8Array): readonly Uint8Array[] {
  const words = [0, 1, 2, 3].map((i) => [...key.slice(4 * i, 4 * i + 4)]);
  for (let i = 4, constant = 1; i < 44; i++) {
    let word = words[i - 1] as number[];
    if (i % 4 === 0) {
      word = [...word.slice(1), word[0] as number].map(substituted);
      word[0] = (word[0] as number) ^ constant;
      constant = (constant << 1) ^ (constant & 0x80 ? 0x11b : 0);
    }
    words.push(word.map((byte, k) => byte ^ (words[i - 4]?.[k] as number)));
  }
  return Array.from({ length: 11 }, (_, i) => Uint8Array.from(words.slice(4 * i, 4 * i + 4).flat()));
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ (b[i] as number));

test("AES-128 enciphers and deciphers", () => {
  const [key, plain] = [random(1, 16), random(2, 16)];
  const keys = roundKeys(key);
  const machine = new OneInstruction();
  put(machine, STATE, plain);
  for (const [i, round] of keys.slice(0, 10).entries()) {
    put(machine, KEY, round);
    machine.execute("aese.v", { vd: STATE, vn: KEY });
    if (i < 9) machine.execute("aesmc.v", { vd: STATE, vn: STATE });
  }
  const enciphered = xor(take(machine, STATE), keys[10] as Uint8Array);
  const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
  expect(enciphered).toEqual(new Uint8Array(cipher.update(plain)));

  // The equivalent inverse cipher (FIPS 197, 5.3.5): keys of the inner rounds are transformed too.
  put(machine, STATE, enciphered);
  for (const [i, round] of keys.slice(1).toReversed().entries()) {
    put(machine, KEY, round);
    if (i > 0) machine.execute("aesimc.v", { vd: KEY, vn: KEY });
    machine.execute("aesd.v", { vd: STATE, vn: KEY });
    if (i < 9) machine.execute("aesimc.v", { vd: STATE, vn: STATE });
  }
  const deciphered = xor(take(machine, STATE), keys[0] as Uint8Array);
  expect(deciphered).toEqual(plain);
  const decipher = createDecipheriv("aes-128-ecb", key, null).setAutoPadding(false);
  expect(deciphered).toEqual(new Uint8Array(decipher.update(enciphered)));
});

/** A message padded to one block of 64 bytes, as words. */
function block(message: Uint8Array): readonly number[] {
  const bytes = new Uint8Array(64);
  bytes.set(message);
  bytes[message.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(60, 8 * message.length);
  return Array.from({ length: 16 }, (_, i) => view.getUint32(4 * i));
}

type Words = readonly number[];
const putWords = (machine: OneInstruction, index: number, words: Words): void =>
  put(machine, index, new Uint8Array(Uint32Array.from([...words, 0, 0, 0].slice(0, 4)).buffer));
const takeWords = (machine: OneInstruction, index: number): Words => [
  ...new Uint32Array(take(machine, index).buffer),
];
const sum = (a: Words, b: Words): Words => a.map((word, i) => (word + (b[i] as number)) >>> 0);
const hex = (words: Words): string => words.map((word) => word.toString(16).padStart(8, "0")).join("");

const HASH1 = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
const CONSTANTS1 = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6];
const FUNCTIONS1 = ["sha1c.v", "sha1p.v", "sha1m.v", "sha1p.v"];

test("SHA1 of a block", () => {
  const message = random(3, 50);
  const machine = new OneInstruction();
  const words = block(message);
  // V4 to V7: the schedule; V0: a to d, V1: e.
  for (let i = 0; i < 4; i++) putWords(machine, 4 + i, words.slice(4 * i, 4 * i + 4));
  putWords(machine, 0, HASH1.slice(0, 4));
  putWords(machine, 1, HASH1.slice(4));
  for (let i = 0; i < 20; i++) {
    const [w0, w1, w2, w3] = [0, 1, 2, 3].map((k) => 4 + ((i + k) % 4)) as [number, number, number, number];
    const group = Math.floor(i / 5);
    putWords(machine, 2, sum(takeWords(machine, w0), new Array(4).fill(CONSTANTS1[group])));
    machine.execute("sha1h.v", { vd: 3, vn: 0 });
    machine.execute(FUNCTIONS1[group] as string, { vd: 0, vn: 1, vm: 2 });
    machine.state.set(V[1]!, machine.state.get(V[3]!));
    machine.execute("sha1su0.v", { vd: w0, vn: w1, vm: w2 });
    machine.execute("sha1su1.v", { vd: w0, vn: w3 });
  }
  const e = takeWords(machine, 1).slice(0, 1);
  expect(hex(sum([...takeWords(machine, 0), ...e], HASH1))).toBe(
    createHash("sha1").update(message).digest("hex"),
  );
});

const primes = (count: number): readonly number[] => {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
};
/** The first 32 bits of the fraction of a root. */
const fraction = (root: number): number => Math.floor((root % 1) * 2 ** 32);
const HASH256 = primes(8).map((prime) => fraction(Math.sqrt(prime)));
const CONSTANTS256 = primes(64).map((prime) => fraction(Math.cbrt(prime)));

test("SHA256 of a block", () => {
  const message = random(4, 55);
  const machine = new OneInstruction();
  const words = block(message);
  for (let i = 0; i < 4; i++) putWords(machine, 4 + i, words.slice(4 * i, 4 * i + 4));
  putWords(machine, 0, HASH256.slice(0, 4));
  putWords(machine, 1, HASH256.slice(4));
  for (let i = 0; i < 16; i++) {
    const [w0, w1, w2, w3] = [0, 1, 2, 3].map((k) => 4 + ((i + k) % 4)) as [number, number, number, number];
    putWords(machine, 2, sum(takeWords(machine, w0), CONSTANTS256.slice(4 * i, 4 * i + 4)));
    machine.state.set(V[3]!, machine.state.get(V[0]!));
    machine.execute("sha256h.v", { vd: 0, vn: 1, vm: 2 });
    machine.execute("sha256h2.v", { vd: 1, vn: 3, vm: 2 });
    machine.execute("sha256su0.v", { vd: w0, vn: w1 });
    machine.execute("sha256su1.v", { vd: w0, vn: w2, vm: w3 });
  }
  expect(hex(sum([...takeWords(machine, 0), ...takeWords(machine, 1)], HASH256))).toBe(
    createHash("sha256").update(message).digest("hex"),
  );
});

test("products of polynomials", () => {
  const product = (x: bigint, y: bigint): bigint => {
    let all = 0n;
    for (let i = 0n; i < 64n; i++) if ((y >> i) & 1n) all ^= x << i;
    return all;
  };
  const prng = new Prng(5);
  const ones = (1n << 64n) - 1n;
  for (let i = 0; i < 40; i++) {
    const [x, y] = i === 0 ? [ones, ones] : [prng.bits64(), prng.bits64()];
    const machine = new OneInstruction();
    machine.state.set(V[1]!, (y << 64n) | x);
    machine.state.set(V[2]!, (x << 64n) | y);
    machine.execute("pmull.d.v", { q: i % 2, vsize: 3, vm: 2, vn: 1, vd: 0 });
    expect(machine.state.get(V[0]!)).toBe(product(x, y));
  }
});
