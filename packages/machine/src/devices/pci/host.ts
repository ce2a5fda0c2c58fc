import type { ComponentState, DeviceWidth, IrqLine, MmioDevice } from "../../contracts.js";
import { MachineError } from "../../errors.js";
import type { FdtNode } from "../../fdt/node.js";
import { StateReader } from "../../state-reader.js";
import { allOnes } from "../../values.js";
import type { Device, FdtContext } from "../device.js";
import type { Bar } from "./bar.js";
import { ECAM_BUS_SIZE, ECAM_FUNCTION_SIZE, PCI_DEVICES } from "./constants.js";
import type { PciFunction } from "./function.js";
import type { MessageSink } from "./msix.js";

const STATE_VERSION = 1;

export interface PciHostOptions {
  /** Interrupt inputs that the pins of all devices are wired to. */
  readonly lines: readonly IrqLine[];
  /** Which of the lines a pin (1 to 4) of a device goes to. */
  readonly lineOf: (device: number, pin: number) => number;
  /** Its device tree node, of boards that have such. */
  readonly node?: ((context: FdtContext) => FdtNode) | undefined;
  /** Where messages go, on machines that have such interrupts. */
  readonly message?: MessageSink | undefined;
}

interface Placed {
  readonly device: number;
  readonly func: PciFunction;
  /** The line that it raises now. */
  raised: boolean;
}

/** A BAR that is decoded, where it is. */
interface Decoded {
  readonly base: number;
  readonly end: number;
  readonly bar: Bar;
}

type Space = "memory" | "ports";

/**
 * A PCI host bridge and its bus 0: configuration space as ECAM (this device's own registers; PCI Express base
 * specification 7.2.2) and by address (`configure`), windows of memory and ports behind which BARs are found, and
 * interrupt pins. Where nothing answers, reads give ones.
 */
export class PciHost implements Device {
  readonly #lines: readonly IrqLine[];
  readonly #lineOf: (device: number, pin: number) => number;
  readonly #message: MessageSink | undefined;
  readonly #node: ((context: FdtContext) => FdtNode) | undefined;
  readonly #placed: Placed[] = [];
  /** Functions 0 by device. */
  readonly #functions: (PciFunction | undefined)[] = new Array(PCI_DEVICES).fill(undefined);
  /** What is decoded; undefined until it is asked for after a change. */
  #decoded: Record<Space, readonly Decoded[]> | undefined;
  readonly #levels: boolean[];

  constructor({ lines, lineOf, message, node }: PciHostOptions) {
    this.#lines = lines;
    this.#lineOf = lineOf;
    this.#message = message;
    this.#node = node;
    this.#levels = lines.map(() => false);
  }

  /** The functions and the numbers of their devices, by ascending number. */
  get functions(): readonly { readonly device: number; readonly func: PciFunction }[] {
    return this.#placed;
  }

  /**
   * Puts a device of one function on the bus: at a number (0 to 31), or the lowest free one.
   * @param make makes it, told whether there are messages, without which it must have no MSI-X.
   * @throws MachineError `Overlap`, `OutOfRange`.
   */
  add<F extends PciFunction>(make: (surroundings: { readonly messages: boolean }) => F, number?: number): F {
    const device = number ?? this.#functions.indexOf(undefined);
    if (!Number.isInteger(device) || device < 0 || device >= PCI_DEVICES)
      throw new MachineError("OutOfRange", `the PCI bus has ${PCI_DEVICES} devices, no room for another one`);
    if (this.#functions[device] !== undefined)
      throw new MachineError("Overlap", `the PCI bus has a device ${device} already`);
    const func = make({ messages: this.#message !== undefined });
    const placed: Placed = { device, func, raised: false };
    func.plug({
      message: this.#message,
      setInterrupt: (level) => {
        if (placed.raised === level) return;
        placed.raised = level;
        this.#updateLine(placed);
      },
      decodingChanged: () => {
        this.#decoded = undefined;
      },
    });
    this.#functions[device] = func;
    this.#placed.push(placed);
    this.#placed.sort((a, b) => a.device - b.device);
    this.#decoded = undefined;
    return func;
  }

  // --- Configuration ------------------------------------------------------------------------------

  /** ECAM: bus, device and function in the address. */
  read(offset: number, width: DeviceWidth): number {
    return this.#at(offset)?.readConfig(offset % ECAM_FUNCTION_SIZE, width) ?? allOnes(width);
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    this.#at(offset)?.writeConfig(offset % ECAM_FUNCTION_SIZE, width, value);
  }

  #at(offset: number): PciFunction | undefined {
    if (offset >= ECAM_BUS_SIZE) return undefined;
    const number = Math.floor(offset / ECAM_FUNCTION_SIZE);
    return number % 8 === 0 ? this.#functions[number / 8] : undefined;
  }

  // --- Windows ------------------------------------------------------------------------------------

  /** What is behind a stretch of memory or ports that the bridge forwards, from its first address on. */
  window(space: Space, base: number): MmioDevice {
    return {
      read: (offset, width) => {
        const found = this.#find(space, base + offset, width);
        if (found === undefined) return allOnes(width);
        return found.bar.spec.device.read(base + offset - found.base, width);
      },
      write: (offset, width, value) => {
        const found = this.#find(space, base + offset, width);
        found?.bar.spec.device.write(base + offset - found.base, width, value);
      },
    };
  }

  #find(space: Space, address: number, width: DeviceWidth): Decoded | undefined {
    this.#decoded ??= { memory: this.#decode("memory"), ports: this.#decode("ports") };
    return this.#decoded[space].find(({ base, end }) => address >= base && address + width <= end);
  }

  #decode(space: Space): Decoded[] {
    return this.#placed.flatMap(({ func }) => {
      const { bars } = func;
      if (space === "ports" ? !func.decodesPorts : !func.decodesMemory) return [];
      return bars
        .filter(({ spec, address }) => (spec.kind === "ports") === (space === "ports") && address !== 0)
        .map((bar) => ({ base: bar.address, end: bar.address + bar.spec.size, bar }));
    });
  }

  // --- Interrupts ---------------------------------------------------------------------------------

  /** Pins share lines: one is high as long as any of its pins asserts it. */
  #updateLine({ device, func }: Placed): void {
    const line = this.#lineOf(device, func.interruptPin);
    const level = this.#placed.some(
      (other) => other.raised && this.#lineOf(other.device, other.func.interruptPin) === line,
    );
    if (this.#levels[line] === level) return;
    this.#levels[line] = level;
    this.#lines[line]!.set(level);
  }

  fdt(context: FdtContext): FdtNode | undefined {
    return this.#node?.(context);
  }

  // --- The whole ----------------------------------------------------------------------------------

  reset(): void {
    for (const { func } of this.#placed) func.reset();
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      devices: this.#placed.map(({ device }) => device),
      functions: this.#placed.map(({ func }) => func.state()),
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("PCI host", state, STATE_VERSION);
    const devices = reader.integers("devices", PCI_DEVICES, PCI_DEVICES - 1);
    const functions = reader.parts("functions");
    const same =
      functions.length === this.#placed.length &&
      this.#placed.every(({ device }, i) => device === devices[i]);
    if (!same) throw new MachineError("BadSnapshot", "the snapshot has other PCI devices than this machine");
    this.#placed.forEach(({ func }, i) => {
      func.restore(functions[i]!);
    });
  }
}
