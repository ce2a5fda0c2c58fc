import type { BareCpu } from "@hypercraft/arch-x86";
import { VirtMachine } from "../virt/machine.js";

/** A PC, ready to run. */
export class PcMachine extends VirtMachine<BareCpu> {}
