/// A size of one part of a model: what it saves, and what it costs in accuracy.
package struct Choice: Sendable, Equatable {
  /// The part and the size; nil where the part is whole.
  package var reduction: Int?
  package var size = 0
  /// What is to be saved, seconds or parameters.
  package var cost: Double
  /// How much the error grows where this part alone is reduced.
  package var error: Double

  /// A size of a part.
  package init(reduction: Int?, size: Int = 0, cost: Double, error: Double) {
    (self.reduction, self.size, self.cost, self.error) = (reduction, size, cost, error)
  }
}

/// The path from a whole model to the smallest one, a part at a time, always by the step that saves most
/// for the error it adds.
///
/// The error of a model is taken to be the sum of those of its parts, each measured alone. Then the lower
/// convex hull of the choices of each part holds every best model, and the steps along all hulls in the
/// order of their slopes lead from one of these to the next.
package struct CompressionPath: Sendable {
  /// Choices by part after each number of steps; the first has all parts whole.
  package let stages: [[Int: Choice]]

  /// The path of parts with choices; the first choice of each is the whole part.
  package init(_ parts: [[Choice]]) {
    var steps: [(part: Int, choice: Choice, slope: Double)] = []
    for (part, choices) in parts.enumerated() {
      var last = choices[0]
      for choice in Self.hull(choices).dropFirst() {
        let slope = (choice.error - last.error) / (last.cost - choice.cost)
        steps.append((part, choice, slope))
        last = choice
      }
    }
    var stages: [[Int: Choice]] = [[:]]
    // Slopes rise along each hull, so that the steps of a part stay in order.
    for step in steps.enumerated().sorted(by: {
      ($0.element.slope, $0.offset) < ($1.element.slope, $1.offset)
    }) {
      var stage = stages[stages.count - 1]
      stage[step.element.part] = step.element.choice
      stages.append(stage)
    }
    self.stages = stages
  }

  /// The lower convex hull of choices, from the first one to smaller costs.
  package static func hull(_ choices: [Choice]) -> [Choice] {
    var hull = [choices[0]]
    let cheaper = choices.dropFirst().filter { $0.cost < choices[0].cost }
      .sorted { ($0.cost, $0.error) > ($1.cost, $1.error) }
    for choice in cheaper {
      // Noise may make a smaller part look better than the whole: it costs nothing then.
      var choice = choice
      choice.error = max(choice.error, choices[0].error)
      if hull.count > 1, hull[hull.count - 1].cost == choice.cost { hull.removeLast() }
      while hull.count > 1 {
        let (a, b) = (hull[hull.count - 2], hull[hull.count - 1])
        let before = (b.error - a.error) * (b.cost - choice.cost)
        let after = (choice.error - b.error) * (a.cost - b.cost)
        if after > before { break }
        hull.removeLast()
      }
      hull.append(choice)
    }
    return hull
  }

  /// The first stage whose parts cost no more than so much together; nil where none does.
  package func stage(costing most: Double, whole: [Double]) -> Int? {
    stages.firstIndex { stage in
      whole.enumerated().reduce(0) { $0 + (stage[$1.offset]?.cost ?? $1.element) } <= most
    }
  }

  /// The last stage that a test passes, by bisection: what it tests only gets worse along the path.
  package func last(where passes: (Int) throws -> Bool) rethrows -> Int {
    var (good, bad) = (0, stages.count)
    while bad - good > 1 {
      let middle = (good + bad) / 2
      if try passes(middle) { good = middle } else { bad = middle }
    }
    return good
  }
}
