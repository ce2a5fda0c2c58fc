import type { DeviceBus } from "@hypercraft/engine";

type Width = 1 | 2 | 4;

/** A device that one processor alone sees, and an offset in it. */
interface OwnDevice {
  readonly device: {
    read(offset: number, width: Width): number;
    write(offset: number, width: Width, value: number): void;
  };
  readonly offset: number;
}

/** Finds it at a physical address. */
export type FindOwn = (physical: number) => OwnDevice | undefined;

/** A bus on which a processor's own devices come before all others. */
export function withOwn(bus: DeviceBus, find: FindOwn): DeviceBus {
  return {
    read(physical, width) {
      const own = find(physical);
      return own === undefined ? bus.read(physical, width) : own.device.read(own.offset, width);
    },
    write(physical, width, value) {
      const own = find(physical);
      if (own === undefined) return bus.write(physical, width, value);
      own.device.write(own.offset, width, value);
      return true;
    },
  };
}
