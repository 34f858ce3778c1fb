import Tessera
import Testing

/// Models of layers that a program puts together itself.
struct ModelTests {
  private static let count = 8

  /// Two layers that learn a product of two numbers.
  private func model(lanes: Int = 1, threads: Int = 1, seed: UInt64 = 0) throws -> Model {
    try Model(lanes: lanes, threads: threads, seed: seed) { scope in
      let x = scope.graph.input("x", [Self.count, 1, 1, 2])
      let target = scope.graph.input("target", [Self.count, 1, 1, 1])
      let hidden = silu(Linear(2, 8, in: scope["hidden"])(x))
      let y = Linear(8, 1, in: scope["output"])(hidden)
      return Model.Recording(loss: meanSquaredError(y, target), outputs: ["y": y])
    }
  }

  /// Points of a plane and the product of their coordinates.
  private func batch(_ step: Int, micro: Int = 1) -> Model.Batch {
    let points = (0..<2 * micro * Self.count).map { Float(($0 * 37 + step * 11) % 41) / 20 - 1 }
    let products = stride(from: 0, to: points.count, by: 2).map { points[$0] * points[$0 + 1] }
    return ["x": points, "target": products]
  }

  @Test func theLossFallsAndOutputsFollow() throws {
    let model = try model()
    var losses: [Double] = []
    try model.train(
      steps: 300, optimizer: .adamw(AdamWConfiguration(learningRate: 0.01)),
      batch: { batch($0) }, progress: { losses.append($1) })
    #expect(model.step == 300 && losses.count == 300)
    #expect(losses.suffix(20).max()! < losses[0] / 4)
    // The loss by hand, over three micro-batches.
    let held = batch(1000, micro: 3)
    let y = try #require(try model.outputs(of: ["x": held.numbers["x"]!])["y"])
    #expect(y.count == 3 * Self.count)
    let errors = zip(y, held.numbers["target"]!).map { pow(Double($0) - Double($1)) }
    #expect(errors.reduce(0, +) / Double(errors.count) < losses[0] / 2)
  }

  @Test func resultsDependOnSeedAndLanesAndNotOnThreads() throws {
    func weights(lanes: Int, threads: Int, seed: UInt64 = 0) throws -> [[Float]] {
      let model = try model(lanes: lanes, threads: threads, seed: seed)
      try model.train(steps: 5) { batch($0, micro: 4) }
      return try model.parameterNames.map { try model.values(of: $0) }
    }
    #expect(try weights(lanes: 2, threads: 1) == weights(lanes: 2, threads: 2))
    #expect(try weights(lanes: 2, threads: 1) != weights(lanes: 2, threads: 1, seed: 1))
    // Lanes change the order of a sum, and nothing else.
    let (one, two) = (try weights(lanes: 1, threads: 1), try weights(lanes: 2, threads: 1))
    for (a, b) in zip(one.joined(), two.joined()) { #expect(abs(a - b) < 1e-4) }
  }

  /// A batch of several micro-batches makes the update of their mean loss.
  @Test func aBatchIsTheMeanOfItsMicroBatches() throws {
    let (single, triple) = (try model(), try model())
    let one = batch(3)
    let three = Model.Batch(one.numbers.mapValues { $0 + $0 + $0 })
    let optimizer = OptimizerConfiguration.sgd(SGDConfiguration(learningRate: 0.1, momentum: 0))
    var losses: [Double] = []
    try single.train(steps: 1, optimizer: optimizer, batch: { _ in one }) { losses.append($1) }
    try triple.train(steps: 1, optimizer: optimizer, batch: { _ in three }) { losses.append($1) }
    #expect(abs(losses[0] - losses[1]) < 1e-6)
    for name in single.parameterNames {
      for (a, b) in zip(try single.values(of: name), try triple.values(of: name)) {
        #expect(abs(a - b) < 1e-6)
      }
    }
  }

  @Test func weightsAreReadAndReplaced() throws {
    let model = try model()
    #expect(
      model.parameterNames == ["hidden.weight", "hidden.bias", "output.weight", "output.bias"])
    #expect(model.parameterCount == 2 * 8 + 8 + 8 + 1)
    try model.setValues([Float](repeating: 0, count: 8), of: "output.weight")
    try model.setValues([0.25], of: "output.bias")
    #expect(try model.values(of: "output.bias") == [0.25])
    let y = try model.outputs(of: ["x": [Float](repeating: 1, count: 2 * Self.count)])
    #expect(y == ["y": [Float](repeating: 0.25, count: Self.count)])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    func expect(
      _ words: String, _ kind: TesseraError.Kind = .argument, _ work: (Model) throws -> Void
    ) throws {
      let model = try model()
      let error = #expect(throws: TesseraError.self) { try work(model) }
      #expect(error?.kind == kind, "\(error as Any)")
      #expect(error?.description.contains(words) == true, "\(error as Any)")
      #expect(model.step == 0)
    }
    func train(_ model: Model, _ batch: Model.Batch) throws {
      try model.train(steps: 1) { _ in batch }
    }
    let good = batch(0).numbers
    try expect("input target: expected its numbers") { try train($0, ["x": good["x"]!]) }
    try expect("no input y") { try train($0, ["x": good["x"]!, "y": [1]]) }
    try expect("Did you mean target?") { try train($0, ["x": good["x"]!, "targt": [1]]) }
    try expect("a multiple of 8 numbers") { try train($0, ["x": good["x"]!, "target": [1]]) }
    try expect("a multiple of 8") { try train($0, ["x": good["x"]!, "target": []]) }
    try expect("expected 16 numbers") { try train($0, ["x": [1], "target": good["target"]!]) }
    try expect("expected 16 numbers") {
      try train($0, ["x": good["x"]! + good["x"]!, "target": good["target"]!])
    }
    try expect("number 3 is nan") {
      var x = good["x"]!
      x[3] = .nan
      try train($0, ["x": x, "target": good["target"]!])
    }
    try expect("expected numbers") {
      try train($0, Model.Batch(good, indices: ["x": [Int32](repeating: 0, count: 16)]))
    }
    try expect("steps: expected an integer", .configuration) {
      try $0.train(steps: 0) { _ in ["x": []] }
    }
    try expect("learningRate", .configuration) {
      try $0.train(
        steps: 1, optimizer: .adam(AdamConfiguration(learningRate: -1)), batch: { _ in ["x": []] })
    }
    try expect("no parameter hiden.weight. Did you mean hidden.weight?") {
      _ = try $0.values(of: "hiden.weight")
    }
    try expect("expected 8 numbers") { try $0.setValues([1], of: "output.weight") }
    try expect("finite") { try $0.setValues([.infinity], of: "output.bias") }
    try expect("not finite", .notFinite) {
      try $0.setValues([1e30], of: "output.bias")
      try train($0, Model.Batch(good))
    }
  }

  @Test func whatCannotBeTrainedIsRefused() {
    func expect(
      _ words: String, lanes: Int = 1, _ record: @escaping (Scope) throws -> Model.Recording
    ) {
      let error = #expect(throws: TesseraError.self) { _ = try Model(lanes: lanes, record: record) }
      #expect(error?.description.contains(words) == true, "\(error as Any)")
    }
    func layer(_ scope: Scope) -> Tensor {
      Linear(1, 1, in: scope)(scope.graph.input("x", [2, 1, 1, 1]))
    }
    expect("loss: expected one number") { Model.Recording(loss: layer($0)) }
    expect("depends on a parameter") {
      Model.Recording(loss: $0.graph.input("x", [2, 2]).mean())
    }
    expect("lanes: expected 1", lanes: 0) { Model.Recording(loss: layer($0).mean()) }
    expect("of the scope's graph") { scope in
      Model.Recording(loss: layer(scope).mean(), outputs: ["y": layer(Scope(Graph()))])
    }
    var calls = 0
    expect("different ones") { scope in
      calls += 1
      return Model.Recording(loss: layer(scope[calls == 1 ? "a" : "b"]).mean())
    }
    struct Own: Error {}
    #expect(throws: Own.self) { _ = try Model { _ in throw Own() } }
  }
}
