import type { Status } from "@hypercraft/engine";
import type { Decoded } from "../../isa/decoded.js";
import type { X86Cpu } from "../cpu.js";
import { checkPort } from "../port-access.js";
import { GPR, Gpr, SEGMENTS, Seg, type SegmentFields } from "../state.js";
import { Primary } from "./controls.js";
import { currentInstruction } from "./current-instruction.js";
import { VmcsField as F } from "./fields.js";
import { addressInformation } from "./instruction-information.js";
import { ExitReason, VmExit } from "./vm-exit.js";
import type { Vmcs } from "./vmcs.js";

// I/O instructions of a guest: SDM volume 3, 26.1.3 and table 28-5.

const PORTS = 0x1_0000;
const HALF = 0x8000;
const IN = 8;
const STRING = 16;
const REPEATED = 32;
const IMMEDIATE = 64;

/** The port itself may be forbidden (#GP) before the guest leaves. Undefined: it does not. Throws faults. */
export function interceptPort(
  cpu: X86Cpu,
  vmcs: Vmcs,
  port: number,
  size: number,
  input: boolean,
): Status | undefined {
  checkPort(cpu, port, size);
  if (!portExits(cpu, vmcs, port, size)) return undefined;
  const d = currentInstruction(cpu);
  const string = d.opcode >= 0x6c && d.opcode <= 0x6f;
  const immediate = d.opcode >= 0xe4 && d.opcode <= 0xe7;
  const kind = (string ? STRING : 0) | (string && d.repeat !== 0 ? REPEATED : 0);
  const qualification = (size - 1) | (input ? IN : 0) | kind | (immediate ? IMMEDIATE : 0) | (port << 16);
  const segment = input ? Seg.es : d.segment >= 0 ? d.segment : Seg.ds;
  const exit = new VmExit(ExitReason.io, {
    length: d.length,
    qualification: BigInt(qualification >>> 0),
    ...(string && {
      linear: stringAddress(cpu, d, segment, input),
      information: addressInformation(d, segment),
    }),
  });
  return cpu.vmx.leave(exit, cpu.currentIp);
}

function portExits(cpu: X86Cpu, vmcs: Vmcs, port: number, size: number): boolean {
  const primary = vmcs.get(F.PROCESSOR_CONTROLS);
  if ((primary & Primary.ioBitmaps) === 0) return (primary & Primary.unconditionalIoExiting) !== 0;
  if (port + size > PORTS) return true;
  for (let i = port; i < port + size; i++) {
    const base = Number(vmcs.read(i < HALF ? F.IO_BITMAP_A : F.IO_BITMAP_B));
    const byte = Number(cpu.memory.readPhysical(base + ((i % HALF) >> 3), 1));
    if (((byte >> (i & 7)) & 1) !== 0) return true;
  }
  return false;
}

function stringAddress(cpu: X86Cpu, d: Decoded, segment: number, input: boolean): bigint {
  const { core } = cpu;
  const offset = BigInt.asUintN(8 * d.addressSize, core.big(GPR[input ? Gpr.rdi : Gpr.rsi]!));
  if (cpu.bits64 && segment < Seg.fs) return offset;
  return BigInt.asUintN(cpu.bits64 ? 64 : 32, core.big((SEGMENTS[segment] as SegmentFields).base) + offset);
}
