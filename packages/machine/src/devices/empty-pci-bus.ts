import type { ComponentState, DeviceWidth } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import { allOnes } from "../values.js";
import type { Device } from "./device.js";

const STATE_VERSION = 1;

/**
 * The configuration space (ECAM) of a PCI host with nothing behind it: reads give all ones, which is how PCI
 * says that there is no such function. It has no device tree node of its own; guests that bring a tree with
 * one, such as those made for hcHyper, scan it and find nothing.
 */
export class EmptyPciBus implements Device {
  reset(): void {}

  read(_offset: number, width: DeviceWidth): number {
    return allOnes(width);
  }

  write(_offset: number, _width: DeviceWidth, _value: number): void {}

  state(): ComponentState {
    return { version: STATE_VERSION };
  }

  restore(state: ComponentState): void {
    new StateReader("PCI bus", state, STATE_VERSION);
  }
}
