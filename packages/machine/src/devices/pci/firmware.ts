import { hex, MachineError } from "../../errors.js";
import type { Bar } from "./bar.js";
import { COMMAND, COMMAND_MASTER, COMMAND_MEMORY, COMMAND_PORTS } from "./constants.js";
import type { PciHost } from "./host.js";

const ALL = COMMAND_PORTS | COMMAND_MEMORY | COMMAND_MASTER;

/** What firmware has to give away. */
export interface PciResources {
  /** Addresses of the windows for memory and for ports. */
  readonly memory: { readonly base: number; readonly size: number };
  readonly ports: { readonly base: number; readonly size: number };
  /** What a pin of a device is called in its interrupt line register. */
  readonly interruptLine: (device: number, pin: number) => number;
}

/**
 * What firmware does before it starts a kernel: gives every BAR an address, the larger ones first, says where interrupts
 * go, and turns the devices on. Throws MachineError `NoMemory` if a window is too small.
 */
export function assignPciResources(host: PciHost, { memory, ports, interruptLine }: PciResources): void {
  const bars = host.functions.flatMap(({ func }) => func.bars).sort((a, b) => b.spec.size - a.spec.size);
  place(
    bars.filter(({ spec }) => spec.kind !== "ports"),
    memory,
  );
  place(
    bars.filter(({ spec }) => spec.kind === "ports"),
    ports,
  );
  for (const { device, func } of host.functions) {
    if (func.interruptPin > 0) func.interruptLine = interruptLine(device, func.interruptPin);
    func.writeConfig(COMMAND, 1, ALL);
  }
}

function place(bars: readonly Bar[], { base, size }: { readonly base: number; readonly size: number }): void {
  let next = base;
  for (const bar of bars) {
    bar.address = Math.ceil(next / bar.spec.size) * bar.spec.size;
    next = bar.address + bar.spec.size;
  }
  if (next > base + size)
    throw new MachineError("NoMemory", `the PCI devices do not fit the window at ${hex(base)}`);
}
