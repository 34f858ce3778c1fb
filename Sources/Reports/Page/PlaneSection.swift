import Charts

/// The codebook, and the vectors it stands for, in a plane.
struct PlaneSection {
  let runs: [PageRun]

  var section: PageSection {
    let figures = runs.compactMap { run -> String? in
      guard let plane = run.details.plane else { return nil }
      return Figure(
        "\(run.name): \(plane.codes.isEmpty ? "vectors and levels" : "codes and vectors")",
        note: plane.words, subject: run.style,
        ScatterChart(
          summary: "\(run.name): \(plane.words)",
          cloud: plane.vectors.map { Point($0.x, $0.y) },
          discs: plane.codes.map { .init(Point($0.place.x, $0.place.y), weight: Double($0.uses)) },
          grid: plane.lattice, run.style, titles: plane.axes)
      ).html
    }
    let silent = runs.filter { $0.details.plane == nil }
    return PageSection(
      id: "plane", title: "Codebook projection (PCA)", short: "Projection",
      introduction: silent.isEmpty
        ? ""
        : "Of \(silent.names) there is none: codes of groups of channels share no space, and without "
          + "images there are no vectors.",
      content: PageSection.grid(figures))
  }
}
