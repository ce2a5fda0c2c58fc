import { EV_KEY, EV_LED, EV_REL, VirtioInput } from "../../devices/virtio/input.js";

/** Codes of the Linux input interface: ESC to the keys of a full keyboard, its three lights. */
const KEYS = Array.from({ length: 127 }, (_, index) => index + 1);
const LIGHTS = [0, 1, 2];
/** Left, right, middle. */
const BUTTONS = [0x110, 0x111, 0x112];
/** X, Y, wheel. */
const AXES = [0, 1, 8];

/** A keyboard on which nobody types unless the host does. */
export function keyboard(): VirtioInput {
  return new VirtioInput({ name: "keyboard", codes: { [EV_KEY]: KEYS, [EV_LED]: LIGHTS } });
}

/** A mouse that nobody moves unless the host does. */
export function mouse(): VirtioInput {
  return new VirtioInput({ name: "mouse", codes: { [EV_KEY]: BUTTONS, [EV_REL]: AXES } });
}
