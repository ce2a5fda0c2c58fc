// What tests of lifters need of the IR beside its evaluation.

export { printBlock } from "../ir/print.js";
export { verify } from "../ir/verify.js";
