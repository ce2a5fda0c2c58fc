export { disassemble } from "./isa/lift.js";
