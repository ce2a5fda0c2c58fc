import type { ComponentState, DeviceWidth } from "../contracts.js";
import type { FdtNode } from "../fdt/node.js";
import { StateReader } from "../state-reader.js";
import { type Device, type FdtContext, mmioNode } from "./device.js";

const STATE_VERSION = 1;
const FAIL = 0x3333;
const PASS = 0x5555;
const RESET = 0x7777;

/** What the guest told the finisher. `code` is 16 bits, chosen by the guest. */
export type FinisherEvent =
  | { readonly kind: "pass" }
  | { readonly kind: "fail"; readonly code: number }
  | { readonly kind: "reset" };

/**
 * SiFive test finisher: one write-only register. The low 16 bits say what happened (0x5555 pass, 0x3333 fail,
 * 0x7777 reset), the high 16 bits are the exit code of a failure. Anything else is ignored.
 */
export class TestFinisher implements Device {
  readonly #onEvent: (event: FinisherEvent) => void;

  constructor(onEvent: (event: FinisherEvent) => void) {
    this.#onEvent = onEvent;
  }

  reset(): void {}

  read(_offset: number, _width: DeviceWidth): number {
    return 0;
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (offset !== 0 || width === 1) return;
    const status = value & 0xffff;
    if (status === PASS) this.#onEvent({ kind: "pass" });
    else if (status === FAIL) this.#onEvent({ kind: "fail", code: value >>> 16 });
    else if (status === RESET) this.#onEvent({ kind: "reset" });
  }

  /** The finisher is its own `syscon`; power-off and reboot nodes refer to it by `finisherActions`. */
  fdt(context: FdtContext): FdtNode {
    return mmioNode("test", ["sifive,test1", "sifive,test0", "syscon"], context);
  }

  state(): ComponentState {
    return { version: STATE_VERSION };
  }

  restore(state: ComponentState): void {
    new StateReader("test-finisher", state, STATE_VERSION);
  }
}

/** Adds the `poweroff` and `reboot` nodes that tell an operating system how to use the finisher. */
export function finisherActions(root: FdtNode, finisher: FdtNode): void {
  const action = (name: string, value: number) =>
    root
      .child(name)
      .string("compatible", `syscon-${name}`)
      .cells("value", value)
      .cells("offset", 0)
      .cells("regmap", finisher);
  action("poweroff", PASS);
  action("reboot", RESET);
}
