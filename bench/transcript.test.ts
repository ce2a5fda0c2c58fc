import { expect, test } from "vitest";
import { parseResult, RESULT_LINE } from "./transcript.ts";

const CONSOLE =
  "/bench fib 100\r\n[   12.3] random: crng init done\r\nBENCH fib 512345678 00ff00ff00ff00ff\r\n";

test("a result between the echo and the kernel's messages", () => {
  expect(RESULT_LINE.exec(CONSOLE)?.[0]).toBe("BENCH fib 512345678 00ff00ff00ff00ff\r\n");
  expect(parseResult(CONSOLE, "fib")).toEqual({
    name: "fib",
    milliseconds: 512.345678,
    check: "00ff00ff00ff00ff",
  });
});

test("a line is waited for until it is whole", () => {
  expect(RESULT_LINE.exec("BENCH fib 512345678 00ff")).toBeNull();
  expect(RESULT_LINE.exec("echo BENCH fib 1 2\n")).toBeNull();
});

test.each([
  ["BENCH-ERROR the pipe broke\r\n", /^fib failed in the guest: the pipe broke$/],
  ["BENCH sort 1 00ff00ff00ff00ff\r\n", /^the guest ran sort instead of fib$/],
  ["-sh: /bench: not found\r\n", /^fib gave no result: .*not found/],
  ["BENCH fib 1 00ff\r\n", /^fib gave no result/],
])("%j is an error", (text, message) => {
  expect(() => parseResult(text, "fib")).toThrow(message);
});
