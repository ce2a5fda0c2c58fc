import { messageSignaled } from "@hypercraft/arch-x86";
import type { ResetControl } from "../../devices/pc-reset.js";
import { PciConfigPorts } from "../../devices/pci/config-ports.js";
import { assignPciResources } from "../../devices/pci/firmware.js";
import type { PciHost } from "../../devices/pci/host.js";
import { MemoryControllerHub } from "../../devices/pci/host-bridges.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { PortBus } from "../../memory/port-bus.js";
import { addPci } from "../common/pci.js";
import type { Behind } from "../common/virtio.js";
import { PC_MAP } from "./address-map.js";
import type { BoardLines } from "./devices.js";

const { pci, irqs } = PC_MAP;
/** Writes to these addresses are interrupts: SDM volume 3, 11.11. */
const MESSAGES = { base: 0xfee0_0000, size: 0x10_0000 } as const;
/** The second 8259's trigger modes, and the lines there that are level-triggered. */
const TRIGGER_MODES = 0x4d1;
const LEVEL = irqs.pci.reduce<number>((bits, irq) => bits | (1 << (irq - 8)), 0);

/** Which of PCI's two interrupts a pin (1 to 4) of a device leads to: wired as on PCs since the 440FX. */
export const pciLine = (device: number, pin: number): number => ((device + pin - 2) & 3) >> 1;

/** PCI as on a Q35, its configuration space in memory and by ports. */
export function addPcPci(
  builder: MachineBuilder,
  { line, apicBus }: Pick<BoardLines, "line" | "apicBus">,
  { virtio, reset }: { readonly virtio: readonly Behind[]; readonly reset: ResetControl },
): PciHost {
  const host = addPci(builder, {
    places: pci,
    bridge: () => new MemoryControllerHub(pci.ecam.base),
    lines: irqs.pci.map(line),
    lineOf: pciLine,
    message(address, data) {
      if (address >= MESSAGES.base && address < MESSAGES.base + MESSAGES.size)
        apicBus.send(messageSignaled(address, data));
    },
    virtio,
  });
  builder.component("reset", reset);
  builder.device("pci-config", PciConfigPorts.ports, () => new PciConfigPorts({ host, beside: reset }));
  return host;
}

/** What a BIOS does for what it starts: devices have addresses and interrupts, and are on. */
export function startPci(host: PciHost, ports: PortBus): void {
  assignPciResources(host, {
    ...pci.assigned,
    interruptLine: (device, pin) => irqs.pci[pciLine(device, pin)]!,
  });
  ports.write(TRIGGER_MODES, 1, LEVEL);
}
