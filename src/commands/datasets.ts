import { listSurveys, loadSurvey } from "../survey/survey.ts";
import { depthFlux } from "../tokens/transform.ts";
import { number, printTable, say } from "./terminal.ts";
import { defineCommand } from "./shared.ts";

export const datasetsCommand = defineCommand<{ name: string | undefined }>({
  command: "datasets [name]",
  describe: "list the known surveys, or show one: bands, depths, properties",
  builder: (yargs) => yargs.positional("name", { type: "string", describe: "survey to show" }),
  handler: ({ name }) => {
    if (name === undefined) {
      const surveys = listSurveys().map((each) => loadSurvey(each));
      const count = (isBand: boolean, fields: (typeof surveys)[number]["fields"]): string =>
        String(fields.filter((field) => (field.band !== undefined) === isBand).length);
      printTable(
        ["survey", "title", "bands", "properties"],
        surveys.map((s) => [s.name, s.title, count(true, s.fields), count(false, s.fields)]),
      );
      return;
    }
    const survey = loadSurvey(name);
    say(`${survey.title} (${survey.path})\nfluxes in ${survey.fluxUnit}`);
    printTable(
      ["band", "group", "pivot [A]", "half-peak range [A]", "5 sigma depth [AB mag]", "1 sigma depth [flux]"],
      survey.fields.flatMap(({ name: field, band }) =>
        band === undefined
          ? []
          : [
              [
                field,
                band.group,
                String(band.pivot),
                band.edges.join(" - "),
                band.depth.join(" "),
                number(depthFlux(band)),
              ],
            ],
      ),
    );
    printTable(
      ["property", "unit", "range", "meaning"],
      survey.fields.flatMap((f) =>
        f.band === undefined ? [[f.name, f.unit, f.range.join(" .. "), f.description]] : [],
      ),
    );
  },
});
