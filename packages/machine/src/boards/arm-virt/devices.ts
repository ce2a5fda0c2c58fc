import { Pl011 } from "../../devices/pl011.js";
import { Pl031 } from "../../devices/pl031.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { BoardContext } from "../common/assemble.js";
import { addVirtioOrPci } from "../common/generic-pci.js";
import { DEFAULT_EPOCH_NS } from "../common/options.js";
import type { ArmAddressMap } from "./address-map.js";
import type { ArmVirtOptions } from "./options.js";

/** Everything on the board but memory and the GIC. */
export function addDevices(
  builder: MachineBuilder,
  board: BoardContext,
  options: ArmVirtOptions,
  map: ArmAddressMap,
): void {
  const { input } = board;
  builder.device(
    "uart",
    map.uart,
    ({ irq, clock, timers }) =>
      new Pl011({ irq, sink: options.console, source: input, clock, timers, waitForListener: true }),
  );
  builder.device(
    "rtc",
    map.rtc,
    ({ irq, clock, timers }) =>
      new Pl031({ irq, clock, timers, epochNs: options.epochNs ?? DEFAULT_EPOCH_NS }),
  );
  addVirtioOrPci(builder, options, map, board);
}
