import { Status } from "@hypercraft/engine";
import { CR0 as CR0_BIT } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { Fault, Vector } from "../fault.js";
import { CR0, ignoresNumericErrors, X87 } from "../state.js";
import { StatusBit } from "./stack.js";

/**
 * Errors of the floating-point unit as the 8086's coprocessor told them, while CR0.NE is clear: by the output FERR#, which
 * an interrupt controller gets, and the input IGNNE#, by which its handler has instructions go on in spite of an error.
 * SDM volume 1, 8.7.2 and appendix D.
 */
export class ErrorLines {
  /** FERR# goes low. */
  errorRaised: () => void = () => undefined;
  private readonly cpu: X86Cpu;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** A waiting instruction came upon an error that is not masked. Throws #MF, or does what FERR# is about. */
  upon(): Status {
    const { core, vm } = this.cpu;
    // A hypervisor has had it ignored.
    if (vm && core.hasAnswer) {
      core.takeAnswer();
      return Status.next;
    }
    if ((core.lo(CR0) & CR0_BIT.NE) !== 0) throw new Fault(Vector.math);
    return this.outside() ? Status.next : this.freeze();
  }

  /** Tells the chip set, unless errors are ignored: then true. */
  outside(): boolean {
    if (this.cpu.core.lo(ignoresNumericErrors) !== 0) return true;
    this.errorRaised();
    return false;
  }

  /** The processor waits for an interrupt before the instruction, which is executed again behind it. */
  private freeze(): Status {
    const { cpu } = this;
    cpu.setIp(cpu.currentIp);
    return cpu.interrupts.wait(false);
  }

  /** The chip set drives IGNNE# low: until FERR# is high again, if it is low. */
  ignore(): void {
    const { core } = this.cpu;
    core.set(ignoresNumericErrors, (core.lo(X87.status) & StatusBit.summary) === 0 ? 0 : 1, 0);
  }

  /** Instructions may have cleared the error. */
  settle(): void {
    const { core } = this.cpu;
    if (core.lo(ignoresNumericErrors) !== 0) this.ignore();
  }
}
