// Reads a JSON list of HCL texts on standard input; prints each as Terraform's own formatter returns it, and as Terraform's own
// parser understands it. Both are HashiCorp's hcl library, compiled to WebAssembly. Usage: node hcl.cjs FOLDER_OF_NODE_MODULES
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const installed = createRequire(process.argv[2]);
const texts = JSON.parse(readFileSync(0, "utf8"));

(async () => {
  const results = [];
  for (const text of texts) {
    const formatted = await installed("@cdktn/hcl-tools").format(text);
    results.push({ formatted, parsed: await installed("@cdktn/hcl2json").parse("main.tf", text) });
  }
  process.stdout.write(JSON.stringify(results), () => process.exit(0));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
