import { describe, expect, test } from "vitest";
import { InputQueue, OutputBuffer } from "../console/bytes.js";
import { Semihosting, type VirtualMemory } from "./semihosting.js";
import { TestConsole } from "./test-console.js";

// Operation numbers and parameter blocks: Arm, "Semihosting for AArch32 and AArch64", chapter 6.

const BASE = 0xffff_0000_0000n;
const SIZE = 0x1000;

function rig() {
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  const inside = (address: bigint, length: number) =>
    address >= BASE && address + BigInt(length) <= BASE + BigInt(SIZE);
  const memory: VirtualMemory = {
    read: (address, length) =>
      inside(address, length)
        ? bytes.slice(Number(address - BASE), Number(address - BASE) + length)
        : undefined,
    write(address, source) {
      if (!inside(address, source.length)) return false;
      bytes.set(source, Number(address - BASE));
      return true;
    },
  };
  const sink = new OutputBuffer();
  const source = new InputQueue();
  const exits: number[] = [];
  const semihosting = new Semihosting({
    sink,
    source,
    clock: { now: () => 2_345_678_901 },
    epochNs: 1_700_000_000_000_000_000n,
    commandLine: "test one",
    onExit: (code) => exits.push(code),
  });
  return {
    ...{ sink, source, exits, bytes, view, semihosting },
    /** A call with a block of doublewords at the start of memory. */
    call(operation: number, ...block: (bigint | number)[]) {
      block.forEach((value, index) => {
        view.setBigUint64(8 * index, BigInt.asUintN(64, BigInt(value)), true);
      });
      return semihosting.call(operation, BASE, memory);
    },
    at: (operation: number, address: bigint) => semihosting.call(operation, address, memory),
    /** Text with a zero behind it, at an offset. */
    put(offset: number, text: string) {
      bytes.set(new TextEncoder().encode(`${text}\0`), offset);
      return BASE + BigInt(offset);
    },
  };
}

describe("the console", () => {
  test("takes a character, and text up to its zero", () => {
    const { at, put, sink } = rig();
    expect(at(0x03, put(0x100, "A"))).toBe(0n);
    const long = "x".repeat(700);
    expect(at(0x04, put(0x1f0, long))).toBe(0n);
    expect(sink.text()).toBe(`A${long}`);
  });

  test("takes the text at the end of what is mapped, and none beyond it", () => {
    const { at, put, sink } = rig();
    at(0x04, put(SIZE - 4, "end"));
    expect(sink.text()).toBe("end");
    expect(at(0x04, BASE + BigInt(SIZE))).toBe(-1n);
  });

  test("gives a character, or waits", () => {
    const { at, source, semihosting } = rig();
    expect(semihosting.ready).toBe(false);
    expect(at(0x07, 0n)).toBeUndefined();
    source.push("ab");
    expect(semihosting.ready).toBe(true);
    expect([at(0x07, 0n), at(0x07, 0n), at(0x07, 0n)]).toEqual([97n, 98n, undefined]);
  });

  test("is opened as :tt, and read and written by handles", () => {
    const { call, put, sink, source, bytes } = rig();
    const name = put(0x100, ":tt");
    const input = call(0x01, name, 0, 3)!;
    const output = call(0x01, name, 4, 3)!;
    expect(input).not.toBe(output);
    expect([call(0x09, input), call(0x09, 99)]).toEqual([1n, -1n]);
    expect(call(0x05, output, put(0x200, "out"), 3)).toBe(0n);
    expect(sink.text()).toBe("out");
    // Results are the bytes that were not transferred.
    expect(call(0x05, input, put(0x200, "out"), 3)).toBe(3n);
    source.push("in");
    expect(call(0x06, input, BASE + 0x300n, 8)).toBe(6n);
    expect([...bytes.subarray(0x300, 0x302)]).toEqual([105, 110]);
    expect([call(0x02, input), call(0x02, input)]).toEqual([0n, -1n]);
    expect(call(0x06, input, BASE + 0x300n, 8)).toBe(8n);
  });
});

test("a file is not there, and the error number says so", () => {
  const { call, put } = rig();
  expect(call(0x01, put(0x100, "secrets"), 0, 7)).toBe(-1n);
  expect(call(0x13)).toBe(2n);
  expect(call(0x12)).toBe(-1n);
  expect(call(0x13)).toBe(38n);
});

test("the features are in a file of their own", () => {
  const { call, put, bytes } = rig();
  const file = call(0x01, put(0x100, ":semihosting-features"), 0, 21)!;
  expect([call(0x0c, file), call(0x09, file)]).toEqual([5n, 0n]);
  expect(call(0x06, file, BASE + 0x300n, 8)).toBe(3n);
  expect(new TextDecoder().decode(bytes.subarray(0x300, 0x304))).toBe("SHFB");
  expect(bytes[0x304]).toBe(3);
  expect(call(0x0a, file, 4)).toBe(0n);
  expect(call(0x06, file, BASE + 0x400n, 1)).toBe(0n);
  expect(bytes[0x400]).toBe(3);
});

test("tells time, the command line, and nothing of the heap", () => {
  const { call, at, bytes, view } = rig();
  expect(at(0x10, 0n)).toBe(234n);
  expect(at(0x11, 0n)).toBe(1_700_000_002n);
  expect(at(0x31, 0n)).toBe(1_000_000_000n);
  expect(call(0x30)).toBe(0n);
  expect(view.getBigUint64(0, true)).toBe(2_345_678_901n);
  expect(call(0x15, BASE + 0x200n, 9)).toBe(0n);
  expect(new TextDecoder().decode(bytes.subarray(0x200, 0x209))).toBe("test one\0");
  expect(view.getBigUint64(8, true)).toBe(8n);
  expect(call(0x15, BASE + 0x200n, 8)).toBe(-1n);
  bytes.fill(0xff, 0x300, 0x320);
  expect(call(0x16, BASE + 0x300n)).toBe(0n);
  expect(bytes.subarray(0x300, 0x320).every((byte) => byte === 0)).toBe(true);
});

test.each([
  ["SYS_EXIT with a code", 0x18, 0x20026, 42, 42],
  ["SYS_EXIT_EXTENDED", 0x20, 0x20026, 0, 0],
  ["SYS_EXIT for another reason than the program's end", 0x18, 0x20023, 0, 1],
])("%s", (_name, operation, reason, code, expected) => {
  const { call, exits } = rig();
  call(operation, reason, code);
  expect(exits).toEqual([expected]);
});

test.each([
  ["0q", [1]],
  ["1q", [3]],
  ["127q", [255]],
  ["q", [1]],
  ["3x2q", [5]],
])("the test console makes %j the status %j", (text, expected) => {
  const exits: number[] = [];
  const console = new TestConsole((status) => exits.push(status));
  for (const byte of new TextEncoder().encode(text)) console.write(Uint8Array.of(byte));
  expect(exits).toEqual(expected);
});
