import { Engine, type Tier } from "@hypercraft/engine";
import { ept } from "@hypercraft/guest-page-table";
import { guestPhysAddr, InstructionClock } from "@hypercraft/hypercraft";
import { makeRig, makeRigVm } from "@hypercraft/hypercraft/testing/rig";
import { X86_FLOATING_POINT } from "../../cpu/create-cpu.js";
import { X86_PAGE_WALKER } from "../../cpu/page-walker.js";
import { X86_SHORTCUTS } from "../../cpu/shortcuts.js";
import { PROGRAM } from "../cpu/qemu-system.js";
import { createCpu } from "./rig.js";

const RAM_SIZE = 64 << 20;
/** RAM is aligned to its size, behind frames that are the hypervisor's. */
const HOST_RAM = { base: 0x1_0000_0000, size: 2 * RAM_SIZE };
const SLICE = 1_000_000;
const MOST_SLICES = 50;
const SERIAL = 0x3f8;
const POWER = 0x604;

/** Runs a program for QEMU's processor (cpu/qemu-system.ts) as a guest, and gives what it wrote. Throws an Error if it does not end. */
export function runAsGuest(program: Uint8Array, tier: Tier): Uint8Array {
  const rig = makeRig(
    (parts) =>
      new Engine({
        ...parts,
        floatingPoint: X86_FLOATING_POINT,
        tier,
        ...(tier !== "cold" && { pageWalker: X86_PAGE_WALKER, shortcuts: X86_SHORTCUTS }),
      }),
    new InstructionClock(),
    HOST_RAM,
  );
  const cpu = createCpu(rig, 0);
  cpu.hardwareEnable();
  const vcpu = cpu.createVcpu(0, guestPhysAddr(PROGRAM));
  const vm = makeRigVm(rig, { vcpus: [vcpu], ram: 0, ramSize: RAM_SIZE, format: ept });
  const output: number[] = [];
  let on = true;
  const port = (base: number, size: number, write: (value: number) => void) =>
    vm.ports.add({
      name: `port ${base}`,
      base,
      size,
      device: { read: () => 0xff, write: (_offset, _width, value) => write(value) },
    });
  port(SERIAL, 1, (value) => output.push(value & 0xff));
  port(POWER, 2, () => {
    on = false;
  });
  vm.memory?.write(PROGRAM, program);
  vcpu.start({ kind: "protected", pc: PROGRAM, code: 0x10, data: 0x18 });
  for (let i = 0; i < MOST_SLICES && on; i++) {
    const exit = vcpu.run(SLICE);
    if (exit.kind === "wait") throw new Error(`the program waits after ${output.length} bytes`);
    const end = vm.handleExit(vcpu, exit);
    if (end !== undefined)
      throw new Error(`the program ended by ${JSON.stringify(end.kind)} after ${output.length} bytes`);
    if (exit.kind === "portWrite") i--;
  }
  return Uint8Array.from(output);
}
