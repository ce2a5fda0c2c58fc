import type { CpuInterface } from "./cpu-interface.js";
import { FIRST_SPECIAL_ID, type InterruptRequest, SPURIOUS } from "./interrupt-state.js";

// GICC_ and GICV_ registers: IHI 0048B chapters 4.4 and 5.5. The two differ in what is behind them only.

const CTLR = 0x00;
const PMR = 0x04;
const BPR = 0x08;
const IAR = 0x0c;
const EOIR = 0x10;
const RPR = 0x14;
const HPPIR = 0x18;
const ABPR = 0x1c;
const AIAR = 0x20;
const AEOIR = 0x24;
const AHPPIR = 0x28;
const APR = 0xd0;
const NSAPR = 0xe0;
const IIDR = 0xfc;
const DIR = 0x1000;

const CTLR_GROUPS = 0x003;
const CTLR_ACK = 0x004;
const CTLR_FIQ = 0x008;
const CTLR_COMMON = 0x010;
const CTLR_BYPASS = 0x1e0;
const CTLR_EOI_MODE = 0x200;

/** A group 1 interrupt is pending, and this register does not acknowledge those. */
const OTHER_GROUP = 1022;
/** Architecture version 2, implementer Arm. */
const IDENTIFICATION = 0x0002_043b;

export function readCpuRegister(cpu: CpuInterface, offset: number): number {
  const { control } = cpu;
  if (offset >= APR && offset < NSAPR) return control.getActive(0, (offset - APR) >> 2);
  if (offset >= NSAPR && offset < NSAPR + 0x10) return control.getActive(1, (offset - NSAPR) >> 2);
  switch (offset) {
    case CTLR:
      return (
        control.groups |
        (cpu.ackControl ? CTLR_ACK : 0) |
        (cpu.fiqEnabled ? CTLR_FIQ : 0) |
        (control.common ? CTLR_COMMON : 0) |
        cpu.bypass |
        (cpu.eoiSplit ? CTLR_EOI_MODE : 0)
      );
    case PMR:
      return control.mask;
    case BPR:
      return control.getBinaryPoint(0);
    case ABPR:
      return control.getBinaryPoint(1);
    case IAR:
      return acknowledge(cpu, visible(cpu, cpu.signalled()));
    case AIAR:
      return acknowledge(cpu, ofGroup1(cpu.signalled()));
    case HPPIR:
      return idOf(visible(cpu, cpu.pending()));
    case AHPPIR:
      return idOf(ofGroup1(cpu.pending()));
    case RPR:
      return control.running();
    case IIDR:
      return IDENTIFICATION;
    default:
      return 0;
  }
}

/** @param bypassBits the bypass bits exist (they do not in GICV_CTLR). */
export function writeCpuRegister(
  cpu: CpuInterface,
  offset: number,
  value: number,
  bypassBits: boolean,
): void {
  const { control } = cpu;
  if (offset >= APR && offset < NSAPR) return control.setActive(0, (offset - APR) >> 2, value);
  if (offset >= NSAPR && offset < NSAPR + 0x10) return control.setActive(1, (offset - NSAPR) >> 2, value);
  const id = value & 0x3ff;
  const source = (value >> 10) & 7;
  switch (offset) {
    case CTLR:
      control.groups = value & CTLR_GROUPS;
      cpu.ackControl = (value & CTLR_ACK) !== 0;
      cpu.fiqEnabled = (value & CTLR_FIQ) !== 0;
      control.common = (value & CTLR_COMMON) !== 0;
      cpu.bypass = bypassBits ? value & CTLR_BYPASS : 0;
      cpu.eoiSplit = (value & CTLR_EOI_MODE) !== 0;
      break;
    case PMR:
      control.mask = value;
      break;
    case BPR:
      control.setBinaryPoint(0, value);
      break;
    case ABPR:
      control.setBinaryPoint(1, value);
      break;
    case EOIR:
    case AEOIR:
      if (id < FIRST_SPECIAL_ID) cpu.end(id, source);
      break;
    case DIR:
      // Without EOImode the end has deactivated it, and this is UNPREDICTABLE: ignored.
      if (id < FIRST_SPECIAL_ID && cpu.eoiSplit) cpu.deactivate(id, source);
      break;
    default:
      break;
  }
}

/** What IAR and HPPIR may tell of a request. */
function visible(cpu: CpuInterface, request: InterruptRequest | undefined): InterruptRequest | number {
  if (request === undefined) return SPURIOUS;
  return request.group === 1 && !cpu.ackControl ? OTHER_GROUP : request;
}

function ofGroup1(request: InterruptRequest | undefined): InterruptRequest | number {
  return request?.group === 1 ? request : SPURIOUS;
}

function acknowledge(cpu: CpuInterface, request: InterruptRequest | number): number {
  if (typeof request !== "number") cpu.acknowledge(request);
  return idOf(request);
}

function idOf(request: InterruptRequest | number): number {
  return typeof request === "number" ? request : request.id | (request.source << 10);
}
