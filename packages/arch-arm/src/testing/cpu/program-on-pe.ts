import { Status, type Tier } from "@hypercraft/engine";
import { X } from "../../cpu/state.js";
import { BareMachine, RAM } from "./bare-machine.js";
import { assembleForPe, BLOB, PROGRAM } from "./qemu-system.js";

// The programs of qemu-system.ts on a PE of ours.

const UART = 0x0900_0000;
/** The UART and what lies behind it. */
const isDevice = (physical: number): boolean => physical >= UART && physical < UART + 0x20_0000;
const RAM_BYTES = 16 << 20;
/** What the programs stop with. */
const SYSTEM_OFF = { register: X[0]!, call: 0x8400_0008 | 0 } as const;
const ENOUGH = 1_000_000;

const words = (bytes: Uint8Array): Uint32Array => {
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
};

/** Assemble a program, run it from EL2 and give what it wrote to the UART. `blob` is loaded at `BLOB`. */
export function runOnPe(
  source: string,
  blob = new Uint8Array(0),
  tier: Tier = "cold",
  walks = true,
): Uint8Array {
  const written: number[] = [];
  const bus = {
    read: (physical: number) => (isDevice(physical) ? 0 : -1),
    write(physical: number, _width: number, value: number): boolean {
      if (physical === UART) written.push(value & 0xff);
      return isDevice(physical);
    },
  };
  const machine = new BareMachine(
    { [PROGRAM - RAM]: words(assembleForPe(source)), [BLOB - RAM]: words(blob) },
    { tier, bus, ramBytes: RAM_BYTES, start: PROGRAM, walks },
  );
  const [{ core, pe }] = machine.pes as [BareMachine["pes"][number]];
  let stopped = false;
  pe.firmware = () => {
    if (core.lo(SYSTEM_OFF.register) !== SYSTEM_OFF.call) return pe.exceptions.undefined();
    stopped = true;
    core.exit = { kind: "stopped" };
    return Status.exit;
  };
  while (!stopped && core.instructions() < ENOUGH) core.run(100_000);
  if (!stopped) throw new Error(`the program does not stop: it is at 0x${core.pcLo().toString(16)}`);
  return Uint8Array.from(written);
}
