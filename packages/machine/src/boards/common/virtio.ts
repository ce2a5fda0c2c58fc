import { SeededEntropy } from "../../devices/seeded-entropy.js";
import { TestConsole } from "../../devices/test-console.js";
import { VirtioBlock } from "../../devices/virtio/block.js";
import { VirtioConsole } from "../../devices/virtio/console.js";
import type { VirtioDevice } from "../../devices/virtio/device.js";
import { VirtioEntropy } from "../../devices/virtio/entropy.js";
import { VirtioGpu } from "../../devices/virtio/gpu.js";
import { VirtioMmio } from "../../devices/virtio/mmio.js";
import { MachineError } from "../../errors.js";
import type { DeviceContext, MachineBuilder } from "../../machine/builder.js";
import type { BoardContext } from "./assemble.js";
import { keyboard, mouse } from "./graphics.js";
import type { BoardOptions } from "./options.js";

/** Where the transports are: number `i` at `base + i * stride` with interrupt `irq + i`. */
export interface VirtioPlaces {
  readonly base: number;
  readonly stride: number;
  readonly size: number;
  readonly count: number;
  readonly irq: number;
}

/** QEMU's size, which teaching kernels have as constants. */
const DISPLAY = { width: 1280, height: 800 };

/** Makes what is behind a virtio transport. */
export type Behind = (context: DeviceContext) => VirtioDevice;

/** A board's virtio devices: disks, then display, keyboard and mouse, then test console and entropy device. */
function virtioDevices(
  builder: MachineBuilder,
  options: BoardOptions,
  { variant, end }: Pick<BoardContext, "variant" | "end">,
): Behind[] {
  const { graphics, testConsole } = variant;
  const disks = options.disks ?? [];
  const entropy = new SeededEntropy(options.seed ?? 1);
  builder.component("entropy", entropy);
  const devices: Behind[] = disks.map(
    (backEnd) =>
      ({ io }) =>
        new VirtioBlock({ backEnd, io }),
  );
  if (graphics) devices.push(() => new VirtioGpu(DISPLAY), keyboard, mouse);
  if (testConsole) {
    const sink = new TestConsole((code) => end({ kind: "exit", code }));
    devices.push(() => new VirtioConsole({ sink }));
  }
  devices.push(() => new VirtioEntropy(entropy));
  disks.forEach((disk, i) => {
    const { state, restore } = disk;
    if (state === undefined || restore === undefined) return;
    builder.component(`disk${i}`, {
      state: () => state.call(disk),
      restore: (saved) => restore.call(disk, saved),
    });
  });
  return devices;
}

/**
 * Puts a board's virtio devices behind the transports in memory, if that is where its variant has them; the transports that
 * are left are empty. @returns the devices if they are wanted on PCI.
 */
export function addVirtioMmioOr(
  builder: MachineBuilder,
  options: BoardOptions,
  virtio: VirtioPlaces,
  board: Pick<BoardContext, "variant" | "end">,
): readonly Behind[] {
  const { variant } = board;
  const devices = virtioDevices(builder, options, board);
  const onPci = variant.virtio === "pci";
  addVirtioMmio(builder, onPci ? [] : devices, virtio, { variant, disks: options.disks?.length ?? 0 });
  return onPci ? devices : [];
}

/** Puts the devices behind transports; those that are left are empty. */
function addVirtioMmio(
  builder: MachineBuilder,
  devices: readonly Behind[],
  virtio: VirtioPlaces,
  { variant, disks }: { readonly variant: BoardContext["variant"]; readonly disks: number },
): void {
  const { virtioSlots, virtioVersion: version } = variant;
  if (devices.length > virtio.count) {
    throw new MachineError(
      "OutOfRange",
      `the board has ${virtio.count} virtio slots, not enough for ${disks} disks`,
    );
  }
  const slots: (Behind | undefined)[] = Array.from({ length: virtio.count }, (_, slot) => devices[slot]);
  if (virtioSlots !== "first") slots.reverse();
  if (virtioSlots === "both" && disks > 0) slots[0] ??= devices[0];
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
