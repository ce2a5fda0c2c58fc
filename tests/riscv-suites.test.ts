// Test programs that other people wrote for RISC-V processors, run on the board in bare mode. They are not part of
// this repository: HYPERCRAFT_SUITES names a folder of built programs (riscv-tests and the like), each an ELF file that
// ends by writing its `tohost` word or the test finisher. Subfolders are searched, and other files left alone. A file
// `<program>.reference_output` beside a program is what its signature has to be (riscv-arch-test).
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join, relative } from "node:path";
import { DeterministicClock } from "@hypercraft/machine";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";
import { describe, expect, test } from "vitest";

const folder = process.env["HYPERCRAFT_SUITES"];
const reason = folder === undefined ? " (skipped: HYPERCRAFT_SUITES names no folder)" : "";

/** Names of programs, as riscv-tests and riscv-arch-test give them, for what the hart does not have. */
const MISSING: readonly (readonly [name: RegExp, what: string])[] = [
  [/^rv32/, "RV32"],
  [/^rv64uzbc-/, "Zbc"],
  [/^rv64uzbk[bx]-/, "Zbkb, Zbkx"],
  [/^rv64uzfh-/, "Zfh"],
  [/^rv64uzicond-/, "Zicond"],
  [/^rv64up-/, "P"],
  [/^rv64uv-/, "V"],
];

/** Enough for all of them, and quickly made. */
const MEMORY = 32 << 20;
/** More than any test of an instruction needs; those that hang end in seconds. */
const MAX_INSTRUCTIONS = 50_000_000;
const MACHINE_RISCV = 243;
const BITS_64 = 2;

function isRiscv64Program(file: string): boolean {
  const header = Buffer.alloc(20);
  const descriptor = openSync(file, "r");
  const read = readSync(descriptor, header, 0, header.length, 0);
  closeSync(descriptor);
  const magic = header.readUInt32BE(0) === 0x7f454c46;
  return (
    read === header.length && magic && header[4] === BITS_64 && header.readUInt16LE(18) === MACHINE_RISCV
  );
}

function programs(root: string): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return files.filter(isRiscv64Program).sort();
}

async function run(file: string): Promise<{ end: string; signature: string | undefined }> {
  let output = "";
  const decoder = new TextDecoder();
  const machine = await createRiscvVirt({
    mode: "bare",
    memory: MEMORY,
    kernel: { name: file, bytes: new Uint8Array(readFileSync(file)) },
    clock: new DeterministicClock(),
    console: {
      write: (bytes) => {
        output += decoder.decode(bytes, { stream: true });
      },
      read: () => -1,
    },
  });
  const end = await machine.run({ maxInstructions: MAX_INSTRUCTIONS, onIdle: "stop" });
  const [hart] = machine.harts;
  const text =
    end.kind === "shutdown"
      ? end.failure
        ? `failed with code ${end.code}`
        : "passed"
      : `${end.kind} at ${hart?.disassemble()}`;
  return {
    end: output === "" || text === "passed" ? text : `${text}\n${output}`,
    signature: machine.signature(),
  };
}

describe.skipIf(folder === undefined)(`test programs of other people${reason}`, () => {
  if (folder === undefined) {
    test("none", () => {});
    return;
  }
  const found = programs(folder);
  test("there are some", () => expect(found.length).toBeGreaterThan(0));
  for (const file of found) {
    const name = relative(folder, file);
    const base = name.split("/").at(-1) ?? "";
    const missing = MISSING.find(([pattern]) => pattern.test(base));
    test.skipIf(missing !== undefined)(
      missing === undefined ? name : `${name} (skipped: no ${missing[1]})`,
      async () => {
        const { end, signature } = await run(file);
        const reference = `${file}.reference_output`;
        if (existsSync(reference))
          expect(signature?.trim()).toBe(readFileSync(reference, "utf8").trim().toLowerCase());
        else expect(end).toBe("passed");
      },
    );
  }
});
