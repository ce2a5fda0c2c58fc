#!/usr/bin/env node
// Old syntax only: an old Node must get so far as to say what it lacks.
var needed = 24;
if (parseInt(process.versions.node, 10) < needed) {
  // biome-ignore lint/style/useTemplate: as above
  console.error("hypercraft needs Node " + needed + " or newer; this is Node " + process.versions.node + ".");
  process.exit(2);
}
import("../dist/index.js").then((cli) => cli.runProcess());
