// @ts-check
// The embedded guest under the hypervisor, in a page: what it prints goes to a <pre>, keys go to its UART.
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { RealTimeClock } from "@hypercraft/machine";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";

const terminal = /** @type {HTMLElement} */ (document.getElementById("terminal"));
const status = /** @type {HTMLElement} */ (document.getElementById("status"));

/** Shows what the guest prints; of a terminal's controls it knows backspace. */
const decoder = new TextDecoder();
function show(/** @type {Uint8Array} */ bytes) {
  for (const character of decoder.decode(bytes, { stream: true })) {
    if (character === "\b") terminal.textContent = (terminal.textContent ?? "").slice(0, -1);
    else if (character !== "\r") terminal.append(character);
  }
}

/** @type {number[]} */
const typed = [];
const machine = await createRiscvVirt({
  kernel: { name: "embedded guest", bytes: embeddedGuest("riscv64") },
  memory: 16 << 20,
  console: { write: show, read: () => typed.shift() ?? -1 },
  clock: new RealTimeClock(() => performance.now()),
});

const CONTROLS = new Map([
  ["Enter", "\r"],
  ["Backspace", "\x7f"],
  ["Tab", "\t"],
]);

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.metaKey) return;
  let text = CONTROLS.get(event.key) ?? (event.key.length === 1 ? event.key : "");
  if (event.ctrlKey)
    text = /^[a-z]$/.test(event.key) ? String.fromCharCode(event.key.charCodeAt(0) & 31) : "";
  if (text === "") return;
  event.preventDefault();
  typed.push(...new TextEncoder().encode(text));
  machine.inputArrived();
});

status.textContent = "running";
const end = await machine.run();
const { instructions, exits } = machine.statistics();
status.textContent = `ended: ${end.kind}; ${instructions} instructions, ${exits.total} exits`;
