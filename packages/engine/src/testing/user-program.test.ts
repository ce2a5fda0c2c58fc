import { describe, expect, test } from "vitest";
import {
  CODE_BASE,
  codeOfWords,
  DATA_BYTES,
  type RecordedData,
  recordAddress,
  UserPrograms,
} from "./user-program.js";

/** One register, instructions of one byte. */
interface ToyState extends RecordedData {
  readonly accumulator: bigint;
}

const programs = new UserPrograms<ToyState>({
  machine: { machine: 0, flags: 0 },
  systemCalls: { write: 1, exit: 2 },
  systemCall: (number, operands) => Uint8Array.of(0xee, number, operands.length),
  prologue: () => Uint8Array.of(1),
  epilogue: () => Uint8Array.of(2),
  jump: (distance) => codeOfWords([distance]),
  writeRegisters: (view, { accumulator }) => view.setBigUint64(8, accumulator, true),
  readRegisters: (view) => ({ accumulator: view.getBigUint64(8, true) }),
  registers: ({ accumulator }) => [["accumulator", accumulator]],
  list: (code) => `code of ${code.length} bytes`,
});

const state = (accumulator: bigint, byte = 0): ToyState => ({
  accumulator,
  data: new Uint8Array(DATA_BYTES).fill(byte, 100, 101),
});
const code = Uint8Array.of(7, 8, 9);
const cases = [1n, 2n].map((accumulator) => ({ start: state(accumulator, Number(accumulator)), code }));

describe("a program of cases", () => {
  const { image, base, written, cases: placed } = programs.build(cases);

  test("is prologue, sequence, epilogue and a jump to the next case, and leaves at its end", () => {
    expect(base).toBe(CODE_BASE);
    for (const [i, { begin, end, record }] of placed.entries()) {
      expect(record).toBe(recordAddress(i));
      expect([...image.subarray(begin - 1 - base, end + 1 - base)]).toEqual([1, 7, 8, 9, 2]);
      const jump = end + 1 - base;
      expect(jump + new DataView(image.buffer, jump).getUint32(0, true)).toBe(
        i + 1 === placed.length ? written : (placed[i + 1]?.begin as number) - 1 - base,
      );
    }
    expect([...image.subarray(written, written + 6)]).toEqual([0xee, 1, 3, 0xee, 2, 1]);
  });

  test("reads the states that it starts from, when it changed nothing", () => {
    expect(programs.read(image.subarray(0, written), 2)).toEqual(cases.map(({ start }) => start));
  });

  test("has sequences of a page at most", () => {
    const long = { start: state(0n), code: new Uint8Array(4096) };
    expect(() => programs.build([long])).toThrow("the sequence is too long");
  });
});

describe("a comparison", () => {
  const ends = [state(1n), state(2n)];
  const compare = (second: ToyState) => programs.expectSame(cases, ends, [state(1n), second], "a test");

  test("passes when all ends are the same", () => {
    expect(() => compare(state(2n))).not.toThrow();
  });

  test("names the case, the register, and shows the code", () => {
    expect(() => compare(state(0x1fn))).toThrow("case 1 of a test:\naccumulator: 2 and 1f\ncode of 3 bytes");
  });

  test("finds memory that differs", () => {
    expect(() => compare(state(2n, 5))).toThrow("memory from 100");
  });
});
