import type { AcpiDevice, AcpiMachine, AcpiPci } from "../../acpi/tables.js";
import { AcpiPm, SLEEP_TYPE_OFF } from "../../devices/acpi-pm.js";
import { HPET_SIZE } from "../../devices/hpet.js";
import { KeyboardController } from "../../devices/i8042.js";
import { CmosRtc } from "../../devices/mc146818.js";
import { ResetControl } from "../../devices/pc-reset.js";
import { PciConfigPorts } from "../../devices/pci/config-ports.js";
import { ECAM_BUS_SIZE, PCI_DEVICES } from "../../devices/pci/constants.js";
import { PC_MAP, TIMER_PIN } from "./address-map.js";
import { pciLine } from "./pci.js";

/** Where the tables are, the root pointer first: in the part of the BIOS area that operating systems search. */
export const ACPI_TABLES = 0xf_0000;
const RESET_VALUE = 6;

/** The board, as its ACPI tables tell of it. */
export function acpiDescription(cpus: number): AcpiMachine {
  const { localApic, ioApic, irqs, hpet } = PC_MAP;
  return {
    processors: Array.from({ length: cpus }, (_, id) => id),
    localApic: localApic.base,
    ioApic: { id: 0, base: ioApic.base },
    overrides: [
      { irq: 0, input: TIMER_PIN },
      ...[irqs.sci, ...irqs.pci].map((irq) => ({ irq, input: irq, level: true })),
    ],
    pm: { base: AcpiPm.ports.base, sci: irqs.sci, offType: SLEEP_TYPE_OFF },
    reset: { port: ResetControl.port, value: RESET_VALUE },
    hpet: hpet.base,
    pci: pciDescription(),
    devices: [...devices(), ...transports()],
  };
}

function pciDescription(): AcpiPci {
  const { pci, irqs } = PC_MAP;
  return {
    base: pci.ecam.base,
    buses: pci.ecam.size / ECAM_BUS_SIZE,
    resources: [
      { kind: "ports", base: PciConfigPorts.ports.base, size: PciConfigPorts.ports.size },
      ...pci.ports.map((window) => ({ kind: "portWindow", ...window }) as const),
      ...pci.memory.map((window) => ({ kind: "memoryWindow", ...window }) as const),
    ],
    devices: PCI_DEVICES,
    interruptOf: (device, pin) => irqs.pci[pciLine(device, pin)]!,
  };
}

function devices(): AcpiDevice[] {
  const { ports, irqs, hpet } = PC_MAP;
  const serial = (name: string, unique: number, { base, size, irq }: typeof ports.com1): AcpiDevice => ({
    name,
    id: "PNP0501",
    unique,
    resources: [
      { kind: "ports", base, size },
      { kind: "irq", irq },
    ],
  });
  const keyboardPorts = [KeyboardController.ports, ...KeyboardController.ports.further];
  return [
    serial("COM1", 1, ports.com1),
    serial("COM2", 2, ports.com2),
    {
      name: "RTC",
      id: "PNP0B00",
      resources: [
        { kind: "ports", base: CmosRtc.ports.base, size: CmosRtc.ports.size },
        { kind: "irq", irq: irqs.clock },
      ],
    },
    {
      name: "KBD",
      id: "PNP0303",
      resources: [
        ...keyboardPorts.map(({ base, size }) => ({ kind: "ports", base, size }) as const),
        { kind: "irq", irq: irqs.keyboard },
      ],
    },
    { name: "HPET", id: "PNP0103", resources: [{ kind: "memory", base: hpet.base, size: HPET_SIZE }] },
  ];
}

/** Virtio's in memory. */
function transports(): AcpiDevice[] {
  const { virtio } = PC_MAP;
  return [
    ...Array.from({ length: virtio.count }, (_, i): AcpiDevice => {
      const base = virtio.base + i * virtio.stride;
      return {
        name: `VR${i.toString(16).toUpperCase().padStart(2, "0")}`,
        id: "LNRO0005",
        unique: i,
        coherent: true,
        resources: [
          { kind: "memory", base, size: virtio.size },
          { kind: "interrupt", input: virtio.irq + i },
        ],
      };
    }),
  ];
}
