import { Clint } from "../../devices/clint.js";
import { EmptyPciBus } from "../../devices/empty-pci-bus.js";
import { GoldfishRtc } from "../../devices/goldfish-rtc.js";
import { Ns16550a } from "../../devices/ns16550a.js";
import { TestFinisher } from "../../devices/test-finisher.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { BoardContext } from "../common/assemble.js";
import { addVirtioOrPci } from "../common/generic-pci.js";
import { DEFAULT_EPOCH_NS } from "../common/options.js";
import type { AddressMap } from "./address-map.js";
import type { BoardHarts } from "./harts.js";
import type { RiscvVirtOptions } from "./options.js";

export interface BoardDevicesOptions {
  readonly options: RiscvVirtOptions;
  readonly map: AddressMap;
  /** The harts are made after their devices. */
  readonly harts: () => BoardHarts | undefined;
}

/** Everything on the board but RAM and the PLIC. */
export function addDevices(builder: MachineBuilder, board: BoardContext, parts: BoardDevicesOptions): void {
  const { mode, cpus, input, end } = board;
  const { options, map, harts } = parts;
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
            setSoftware: (hart, level) => harts()?.setSoftware(hart, level),
            setTimer: (hart, level) => harts()?.setTimer(hart, level),
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
  if (!addVirtioOrPci(builder, options, map, board))
    builder.device("pci", map.pci.ecam, () => new EmptyPciBus());
}
