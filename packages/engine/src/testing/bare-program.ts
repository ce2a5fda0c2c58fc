import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryFolder, runs } from "./tools.js";

// Programs that have a whole machine of an emulator to themselves, as an oracle for a CPU of ours. Test support: needs
// Node, clang with lld, and the emulator.

/** A machine without firmware and how to make programs for it. */
export interface BareMachine {
  /** The emulator. */
  readonly command: string;
  /** Its options: machine, processor, memory. */
  readonly options: readonly string[];
  /** What clang is told of the target. */
  readonly target: readonly string[];
  /** Where programs begin. */
  readonly text: number;
  /** Where a program's data is loaded. */
  readonly blob: number;
  /** Assembled before each program. */
  readonly prelude: string;
}

/** Are emulator, assembler and linker here? */
export const haveBareMachine = ({ command }: BareMachine): boolean =>
  runs(command) && runs("clang") && runs("ld.lld");

/** Assemble and link a program; `flat`: its bytes from `text` on instead of an executable. */
function link(machine: BareMachine, source: string, folder: string, flat: boolean): string {
  const at = (name: string): string => join(folder, name);
  writeFileSync(at("a.s"), machine.prelude + source);
  execFileSync("clang", [...machine.target, "-c", at("a.s"), "-o", at("a.o")], { stdio: "pipe" });
  const layout = ["-Ttext", `0x${machine.text.toString(16)}`, "-e", "_start", "--no-relax"];
  const format = flat ? ["--oformat=binary"] : [];
  execFileSync("ld.lld", [...layout, ...format, at("a.o"), "-o", at("a.out")], { stdio: "pipe" });
  return at("a.out");
}

/** The bytes of a program from `text` on, for another machine. */
export function assembleBareProgram(machine: BareMachine, source: string): Uint8Array {
  return inTemporaryFolder((folder) => Uint8Array.from(readFileSync(link(machine, source, folder, true))));
}

/** Assemble a program, run it from `_start` until it stops the machine, and give what it wrote to the serial port. */
export function runBareProgram(
  machine: BareMachine,
  source: string,
  blob: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return inTemporaryFolder((folder) => {
    const at = (name: string): string => join(folder, name);
    const program = link(machine, source, folder, false);
    writeFileSync(at("blob"), blob);
    const loaded = `loader,file=${at("blob")},addr=0x${machine.blob.toString(16)},force-raw=on`;
    const load = blob.length === 0 ? [] : ["-device", loaded];
    const serial = ["-serial", `file:${at("out")}`, "-display", "none", "-monitor", "none"];
    const files = ["-kernel", program, ...load, ...serial];
    execFileSync(machine.command, [...machine.options, ...files], { timeout: 60_000, stdio: "pipe" });
    return Uint8Array.from(readFileSync(at("out")));
  });
}
