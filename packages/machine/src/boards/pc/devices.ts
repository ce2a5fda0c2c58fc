import type { ApicBus } from "@hypercraft/arch-x86";
import type { IrqLine } from "../../contracts.js";
import type { A20Gate } from "../../devices/a20-gate.js";
import { AcpiPm } from "../../devices/acpi-pm.js";
import { CoprocessorError } from "../../devices/coprocessor-error.js";
import { DebugConsole } from "../../devices/debug-console.js";
import { DebugExit } from "../../devices/debug-exit.js";
import { FwCfg } from "../../devices/fw-cfg.js";
import { HPET_SIZE, Hpet } from "../../devices/hpet.js";
import { KeyboardController } from "../../devices/i8042.js";
import { Pit } from "../../devices/i8254.js";
import { Pic } from "../../devices/i8259.js";
import { CmosRtc, cmosMemory } from "../../devices/mc146818.js";
import { Ns16550a } from "../../devices/ns16550a.js";
import { ResetControl, SystemControlPort } from "../../devices/pc-reset.js";
import { PcTestDevice } from "../../devices/pc-test-device.js";
import type { PciHost } from "../../devices/pci/host.js";
import { PostPort } from "../../devices/post-port.js";
import { VgaText } from "../../devices/vga-text.js";
import { e820Bytes, MemoryType } from "../../loaders/pc/memory-map.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { BoardContext } from "../common/assemble.js";
import { DEFAULT_EPOCH_NS } from "../common/options.js";
import { addVirtioMmioOr } from "../common/virtio.js";
import { HIGH_RAM, PC_MAP, splitRam } from "./address-map.js";
import type { PcOptions } from "./options.js";
import { addPcPci } from "./pci.js";

const space = "ports";
/** Input clock of a PC's serial ports in Hz. */
const UART_CLOCK = 1_843_200;
const TIMER_IRQ = 0;

/** Where what the devices tell goes. */
export interface BoardLines {
  readonly pic: Pic;
  readonly apicBus: ApicBus;
  line(irq: number): IrqLine;
  readonly a20: A20Gate;
  /** INIT of all processors. */
  onInit(): void;
  /** What hears of the processors' floating-point errors. */
  readonly coprocessor: CoprocessorError;
}

/** Everything on the board but memory, processors and interrupt controllers. @returns its PCI bus. */
export function addDevices(
  builder: MachineBuilder,
  board: BoardContext,
  options: PcOptions,
  lines: BoardLines,
): PciHost {
  const { pic, line, a20, onInit, coprocessor } = lines;
  const { input, end } = board;
  const { ports, irqs } = PC_MAP;
  const { console, secondConsole } = options;
  builder.device("pic", Pic.ports, () => pic);
  // Its comparators can take the interrupts of the two that follow.
  let hpet: Hpet;
  builder.device("hpet", { ...PC_MAP.hpet, size: HPET_SIZE }, ({ clock, timers }) => {
    hpet = new Hpet({ clock, timers, route: line, irq0: line(TIMER_IRQ), irq8: line(irqs.clock) });
    return hpet;
  });
  builder.device(
    "pit",
    { ...Pit.ports, irq: TIMER_IRQ },
    (context) => new Pit({ ...context, irq: hpet.pit }),
  );
  const epochNs = options.epochNs ?? DEFAULT_EPOCH_NS;
  const ram = cmosMemory({ ...splitRam(board.memory), cpus: board.cpus });
  builder.device(
    "rtc",
    { ...CmosRtc.ports, irq: irqs.clock },
    (context) => new CmosRtc({ ...context, irq: hpet.rtc, epochNs, ram }),
  );
  const resets = { onReset: () => end({ kind: "reset" }), onInit, a20 };
  const onPowerOff = () => end({ kind: "shutdown", failure: false, code: 0 });
  builder.device(
    "acpi-pm",
    { ...AcpiPm.ports, irq: irqs.sci },
    (context) => new AcpiPm({ ...context, onPowerOff }),
  );
  builder.device(
    "keyboard",
    { ...KeyboardController.ports, irq: irqs.keyboard },
    ({ irq }) => new KeyboardController({ irq, onInit, a20 }),
  );
  builder.device(
    "coprocessor-error",
    { ...CoprocessorError.ports, irq: irqs.coprocessor },
    () => coprocessor,
  );
  builder.device("system-control", SystemControlPort.ports, () => new SystemControlPort(resets));
  builder.device("com1", { ...ports.com1, space }, ({ irq, clock, timers }) => {
    const source = { irq, clock, timers, frequency: UART_CLOCK };
    return new Ns16550a({ ...source, sink: console, source: input, waitForListener: true });
  });
  builder.device(
    "com2",
    { ...ports.com2, space },
    ({ irq, clock, timers }) =>
      new Ns16550a({ irq, clock, timers, frequency: UART_CLOCK, sink: secondConsole ?? { write() {} } }),
  );
  builder.device("vga", VgaText.ports, (context) => new VgaText(context));
  builder.device("post", { ...ports.post, space }, () => new PostPort());
  builder.device("debug-console", { ...ports.debugConsole, space }, () => new DebugConsole(console));
  builder.device(
    "debug-exit",
    { ...ports.debugExit, space },
    () => new DebugExit((code) => end({ kind: "exit", code })),
  );
  builder.device(
    "fw-cfg",
    FwCfg.ports,
    ({ memory }) =>
      new FwCfg({ memory, cpus: board.cpus, ramSize: board.memory, files: files(board.memory) }),
  );
  const tests = new PcTestDevice(line);
  builder.device("test", PcTestDevice.ports, () => tests);
  builder.device("test-memory", PcTestDevice.memory, () => tests.region);
  const virtio = addVirtioMmioOr(builder, options, PC_MAP.virtio, board);
  return addPcPci(builder, lines, { virtio, reset: new ResetControl(resets) });
}

/** What QEMU's firmware looks for: RAM, before it reserves any. */
function files(memory: number): ReadonlyMap<string, Uint8Array> {
  const { low, high } = splitRam(memory);
  const ram = [
    { base: 0, size: low, type: MemoryType.usable },
    { base: HIGH_RAM, size: high, type: MemoryType.usable },
  ];
  return new Map([["etc/e820", e820Bytes(ram.filter(({ size }) => size > 0))]]);
}
