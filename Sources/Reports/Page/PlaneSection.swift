import Charts

/// The codebook, and the vectors it stands for, in a plane.
struct PlaneSection {
  let runs: [PageRun]

  var html: String {
    let figures = runs.map { run -> String in
      guard let plane = run.plane else {
        return Figure(
          run.name, subject: run.style,
          ScatterChart(summary: "", cloud: [], discs: [], run.style, titles: ("", ""))
        ).html(missing: "No vectors were kept.")
      }
      return Figure(
        "\(run.name): \(plane.codes.isEmpty ? "vectors and levels" : "codes and vectors")",
        note: plane.words, subject: run.style,
        ScatterChart(
          summary: "\(run.name): \(plane.words)",
          cloud: plane.vectors.map { Point($0.x, $0.y) },
          discs: plane.codes.map { .init(Point($0.place.x, $0.place.y), weight: Double($0.uses)) },
          grid: plane.lattice, run.style, titles: plane.axes)
      ).html(missing: "No vectors were kept.")
    }
    return PageSection(
      id: "plane", title: "Codebook in a plane", introduction: "",
      content: PageSection.grid(figures)
    ).html
  }
}
