import type { IoApic, IoApicState } from "@hypercraft/arch-x86";
import type { ComponentState, IrqLine, Stateful } from "../../contracts.js";
import type { InterruptController } from "../../machine/interrupts.js";
import { TIMER_PIN } from "./address-map.js";

const ISA_LINES = 16;
/** Between the two 8259s: no line of the bus. */
const CASCADE = 2;

/** Where a line of the ISA bus leads besides: the 8259 pair. */
export interface LegacyLines {
  line(irq: number): IrqLine;
}

/** A PC's interrupt lines: all lead to the I/O APIC, those of the ISA bus to the 8259s as well. */
export function pcInterrupts(ioApic: IoApic, legacy: LegacyLines): InterruptController & Stateful {
  return {
    read: (offset, width) => ioApic.read(offset, width),
    write: (offset, width, value) => ioApic.write(offset, width, value),
    state: () => ioApic.state() as unknown as ComponentState,
    restore: (state) => ioApic.restore(state as unknown as IoApicState),
    line(irq) {
      const pin = ioApic.line(irq === 0 ? TIMER_PIN : irq);
      if (irq >= ISA_LINES || irq === CASCADE) return pin;
      const line = legacy.line(irq);
      return {
        set(level) {
          pin.set(level);
          line.set(level);
        },
      };
    },
  };
}
