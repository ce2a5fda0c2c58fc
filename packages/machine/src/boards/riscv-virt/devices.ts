import type { InputQueue } from "../../console/bytes.js";
import { Clint } from "../../devices/clint.js";
import { EmptyPciBus } from "../../devices/empty-pci-bus.js";
import { GoldfishRtc } from "../../devices/goldfish-rtc.js";
import { Ns16550a } from "../../devices/ns16550a.js";
import { SeededEntropy } from "../../devices/seeded-entropy.js";
import { TestFinisher } from "../../devices/test-finisher.js";
import { VirtioBlock } from "../../devices/virtio/block.js";
import type { VirtioDevice } from "../../devices/virtio/device.js";
import { VirtioEntropy } from "../../devices/virtio/entropy.js";
import { VirtioGpu } from "../../devices/virtio/gpu.js";
import { VirtioMmio } from "../../devices/virtio/mmio.js";
import { MachineError } from "../../errors.js";
import type { DeviceContext, MachineBuilder } from "../../machine/builder.js";
import type { AddressMap } from "./address-map.js";
import { keyboard, mouse } from "./graphics.js";
import type { BoardHarts } from "./harts.js";
import type { MachineEnd } from "./machine.js";
import { DEFAULT_EPOCH_NS, type RiscvVirtOptions } from "./options.js";
import type { BoardVariant } from "./variant.js";

export interface BoardDevicesOptions {
  readonly options: RiscvVirtOptions;
  readonly map: AddressMap;
  readonly mode: "vm" | "bare";
  readonly cpus: number;
  readonly variant: BoardVariant;
  readonly input: InputQueue;
  readonly end: (how: MachineEnd) => void;
  /** The harts are made after their devices. */
  readonly harts: () => BoardHarts | undefined;
}

/** Everything on the board but RAM and the PLIC. */
export function addDevices(builder: MachineBuilder, board: BoardDevicesOptions): void {
  const { options, map, mode, cpus, variant, input, end } = board;
  builder.component("input", input);
  builder.device(
    "test",
    map.testFinisher,
    () =>
      new TestFinisher((event) => {
        if (event.kind === "reset") end({ kind: "reset" });
        else
          end({
            kind: "shutdown",
            failure: event.kind === "fail",
            code: event.kind === "fail" ? event.code : 0,
          });
      }),
  );
  builder.device(
    "rtc",
    map.rtc,
    ({ irq, clock, timers }) =>
      new GoldfishRtc({ irq, clock, timers, epochNs: options.epochNs ?? DEFAULT_EPOCH_NS }),
  );
  if (mode === "bare") {
    builder.device(
      "clint",
      map.clint,
      ({ clock, timers }) =>
        new Clint({
          harts: {
            count: cpus,
            setSoftware: (hart, level) => board.harts()?.setSoftware(hart, level),
            setTimer: (hart, level) => board.harts()?.setTimer(hart, level),
          },
          clock,
          timers,
        }),
    );
  }
  builder.device(
    "uart",
    map.uart,
    ({ irq, clock, timers }) =>
      new Ns16550a({ irq, sink: options.console, source: input, clock, timers, waitForListener: true }),
  );
  addVirtio(builder, options, map, variant);
  builder.device("pci", map.pci, () => new EmptyPciBus());
}

/** QEMU's size, which teaching kernels have as constants. */
const DISPLAY = { width: 1280, height: 800 };

/** Makes what is behind a virtio transport. */
type Behind = (context: DeviceContext) => VirtioDevice;

/** Disks, then display, keyboard and mouse, then the entropy device; the other slots are empty. */
function addVirtio(
  builder: MachineBuilder,
  options: RiscvVirtOptions,
  { virtio }: AddressMap,
  { graphics, virtioSlots, virtioVersion: version }: BoardVariant,
): void {
  const disks = options.disks ?? [];
  const entropy = new SeededEntropy(options.seed ?? 1);
  builder.component("entropy", entropy);
  const devices: Behind[] = disks.map(
    (backEnd) =>
      ({ io }) =>
        new VirtioBlock({ backEnd, io }),
  );
  if (graphics) devices.push(() => new VirtioGpu(DISPLAY), keyboard, mouse);
  devices.push(() => new VirtioEntropy(entropy));
  if (devices.length > virtio.count) {
    throw new MachineError(
      "OutOfRange",
      `the board has ${virtio.count} virtio slots, not enough for ${disks.length} disks`,
    );
  }
  disks.forEach((disk, i) => {
    const { state, restore } = disk;
    if (state === undefined || restore === undefined) return;
    builder.component(`disk${i}`, {
      state: () => state.call(disk),
      restore: (saved) => restore.call(disk, saved),
    });
  });
  const slots: (Behind | undefined)[] = Array.from({ length: virtio.count }, (_, slot) => devices[slot]);
  if (virtioSlots !== "first") slots.reverse();
  if (virtioSlots === "both" && disks.length > 0) slots[0] ??= devices[0];
  for (let slot = 0; slot < virtio.count; slot++) {
    const place = { base: virtio.base + slot * virtio.stride, size: virtio.size, irq: virtio.irq + slot };
    builder.device(
      `virtio${slot}`,
      place,
      (context) =>
        new VirtioMmio({ irq: context.irq, memory: context.memory, device: slots[slot]?.(context), version }),
    );
  }
}
