import {
  type ComponentState,
  type FdtContext,
  GoldfishRtc,
  type IrqLine,
  MachineBuilder,
  mmioNode,
  StateReader,
} from "@hypercraft/machine";

/** Counts writes; reading tells how many and lowers the interrupt. */
class Counter {
  readonly #irq: IrqLine;
  #count = 0;
  constructor(irq: IrqLine) {
    this.#irq = irq;
  }
  read(): number {
    this.#irq.set(false);
    return this.#count;
  }
  write(): void {
    this.#count++;
    this.#irq.set(true);
  }
  state(): ComponentState {
    return { version: 1, count: this.#count };
  }
  restore(state: ComponentState): void {
    this.#count = new StateReader("counter", state, 1).integer("count");
  }
  fdt(context: FdtContext) {
    return mmioNode("counter", ["example,counter"], context);
  }
}

/** The simplest interrupt controller: one register with a bit for each line. */
let levels = 0;
const controller = {
  line: (source: number): IrqLine => ({
    set: (level) => {
      levels = level ? levels | (1 << source) : levels & ~(1 << source);
    },
  }),
  read: () => levels,
  write() {},
};

const machine = new MachineBuilder({ name: "example" })
  .ram("ram", 0x8000_0000, 1024 * 1024)
  .interruptController("lines", { base: 0xc00_0000, size: 8, firstSource: 1, lastSource: 8, controller })
  .device("counter", { base: 0x1000_0000, size: 8, irq: "auto" }, ({ irq }) => new Counter(irq))
  .device("rtc", { base: 0x10_1000, size: 0x1000, irq: 5 }, ({ irq, clock, timers }) => {
    return new GoldfishRtc({ irq, clock, timers, epochNs: 1_700_000_000_000_000_000n });
  })
  .build();

const { bus } = machine;
bus.write(0x1000_0000, 4, 1);
bus.write(0x1000_0000, 4, 1);
console.log(
  bus.read(0xc00_0000, 4),
  bus.read(0x1000_0000, 4),
  bus.read(0xc00_0000, 4),
  bus.read(0x2000_0000, 4),
);
console.log([...machine.deviceTree().root.walk()].map(([path]) => path).join(" "));
console.log(JSON.stringify(machine.snapshot().components.counter));
