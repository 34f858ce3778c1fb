import Autodiff
import CPUBackend
import Execution
import Foundation
import TestSupport
import Testing
import Tokenizers

/// Vector quantization on numbers worked out by hand.
struct VectorFactsTests {
  static let codebook: [Float] = [0, 0, 1, 1, -1, 2]
  static let z: [Float] = [0.2, -0.1, 0.9, 1.3, -0.8, 1.5, 0.6, 0.7]
  static let upstream: [Float] = [0.1, -0.2, 0.3, 0, -0.1, 0.05, 0.2, 0.4]

  struct Outcome {
    var results: [String: [Float]]
    var codebookGradient: [Float]
  }

  /// Quantizes rows, with the gradient of `sum(upstream * code) + auxiliary loss`.
  static func quantize(
    _ z: [Float], _ codebook: [Float], dimension: Int, upstream: [Float],
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 1,
    commitmentWeight: Double = 0.25
  ) -> Outcome {
    let graph = Graph()
    let codes = codebook.count / dimension
    let quantizer = VectorQuantizer(
      VectorConfiguration(
        codebookSize: codes, codeDimension: dimension, gradient: gradient,
        codebookWeight: codebookWeight, commitmentWeight: commitmentWeight),
      in: Scope(graph))
    let shape: Shape = [z.count / dimension, dimension]
    let vectors = graph.input("z", shape)
    let quantized = quantizer.quantize(vectors)
    let loss = (quantized.codes * graph.input("g", shape)).sum() + quantized.auxiliaryLoss!
    let dz = graph.differentiate(loss, withRespectTo: [vectors])[0]
    var outputs = quantized.statistics
    outputs["tokens"] = quantized.indices
    outputs["codes"] = quantized.codes
    outputs["auxiliary"] = quantized.auxiliaryLoss!
    outputs["dz"] = dz
    outputs["counts"] = quantized.indices.codeCounts(of: codes)
    let run = GraphRun(graph, outputs: outputs)
    run.set("embedding.weight", codebook)
    let results = run.run(["z": z, "g": upstream])
    return Outcome(results: results, codebookGradient: run.gradients()["embedding.weight"]!)
  }

  @Test func nearestCodes() {
    let outcome = Self.quantize(Self.z, Self.codebook, dimension: 2, upstream: Self.upstream)
    #expect(outcome.results["tokens"] == [0, 1, 2, 1])
    #expect(outcome.results["codes"] == [0, 0, 1, 1, -1, 2, 1, 1])
    let counts = outcome.results["counts"]!
    #expect(counts == [1, 2, 1])
    let entropy = counts.reduce(0.0) { $0 - Double($1) / 4 * log(Double($1) / 4) }
    #expect(abs(exp(entropy) - 2.82842712475) < 1e-9)
  }

  /// Squared norms are summed over channels and averaged over vectors.
  @Test func lossesAndTheirGradients() {
    let outcome = Self.quantize(Self.z, Self.codebook, dimension: 2, upstream: Self.upstream)
    #expect(abs(outcome.results["quantizationError"]![0] - 0.1725) < 1e-6)
    #expect(abs(outcome.results["auxiliary"]![0] - 0.215625) < 1e-6)
    let dz: [Float] = [0.125, -0.2125, 0.2875, 0.0375, -0.075, -0.0125, 0.15, 0.3625]
    #expect(largestDifference(outcome.results["dz"]!, dz) < 1e-6)
    let codebookGradient: [Float] = [-0.1, 0.05, 0.25, 0, -0.1, 0.25]
    #expect(largestDifference(outcome.codebookGradient, codebookGradient) < 1e-6)

    let commitment = Self.quantize(
      Self.z, Self.codebook, dimension: 2, upstream: Array(repeating: 0, count: 8))
    let dCommitment: [Float] = [
      0.025, -0.0125, -0.0125, 0.0375, 0.025, -0.0625, -0.05, -0.0375,
    ]
    #expect(largestDifference(commitment.results["dz"]!, dCommitment) < 1e-6)
  }

  /// The codebook learns from its own loss alone.
  @Test(arguments: CodebookConfiguration.Gradient.allCases.filter { $0 != .diveq })
  func theReconstructionGradientPassesTheCodebookBy(_ gradient: CodebookConfiguration.Gradient) {
    let outcome = Self.quantize(
      Self.z, Self.codebook, dimension: 2, upstream: Self.upstream, gradient: gradient,
      codebookWeight: 0, commitmentWeight: 0)
    #expect(outcome.codebookGradient.allSatisfy { $0 == 0 })
    #expect(outcome.results["dz"]!.contains { $0 != 0 })
  }

  /// The two halves together have twice the value and just the gradient of `|z - q|^2`.
  @Test func theSplitLoss() {
    let outcome = Self.quantize(
      [0.6, 0.7], [1, 1], dimension: 2, upstream: [0, 0], codebookWeight: 1, commitmentWeight: 1)
    #expect(abs(outcome.results["quantizationError"]![0] - 0.25) < 1e-6)
    #expect(abs(outcome.results["auxiliary"]![0] - 0.5) < 1e-6)
    #expect(largestDifference(outcome.results["dz"]!, [-0.8, -0.6]) < 1e-6)
    #expect(largestDifference(outcome.codebookGradient, [0.8, 0.6]) < 1e-6)
  }

  @Test func tiesGoToTheLowestCode() {
    let outcome = Self.quantize(
      [0, 0, 0.5, 0], [1, 0, -1, 0, 0, 1, 0, -1, 1, 0], dimension: 2,
      upstream: [0, 0, 0, 0])
    #expect(outcome.results["tokens"] == [0, 0])
  }

  /// 65,536 codes and 16,384 vectors have 2^30 distances; the plan has room for far fewer.
  @Test(arguments: ["vq", "cosine-vq", "simvq", "product-vq", "residual-vq"])
  func noMatrixOfAllDistancesIsFormed(_ kind: String) {
    let (codes, vectors, dimension) = (65_536, 16_384, 8)
    let graph = Graph()
    let quantizer: any Bottleneck =
      switch kind {
      case "vq":
        VectorQuantizer(
          VectorConfiguration(codebookSize: codes, codeDimension: dimension), in: Scope(graph))
      case "cosine-vq":
        CosineQuantizer(
          CosineConfiguration(codebookSize: codes, codeDimension: dimension), in: Scope(graph))
      case "product-vq":
        ProductQuantizer(
          ProductConfiguration(codebookSize: codes, codeDimension: dimension), in: Scope(graph))
      case "residual-vq":
        ResidualQuantizer(
          ResidualConfiguration(codebookSize: codes, codeDimension: dimension), in: Scope(graph))
      default:
        SimVectorQuantizer(
          SimVQConfiguration(codebookSize: codes, codeDimension: dimension), in: Scope(graph))
      }
    let quantized = quantizer.quantize(graph.input("z", [1, 128, 128, dimension]))
    graph.differentiate(quantized.codes.sum() + quantized.auxiliaryLoss!)
    let backend = CPUBackend()
    let plan = Plan(graph, outputs: ["tokens": quantized.indices], on: backend)
    #expect(plan.instructions.contains { $0.operation.name == "nearest code" })
    #expect(plan.arenaWords + plan.sharedWords < codes * vectors / 100)
  }

  // MARK: The rotation trick

  struct RotationFact: Sendable {
    let e, q, g, expected: [Float]
    /// What a gradient rule with the rotation not transposed would say.
    var wrong: [Float]?
  }

  static let rotations: [RotationFact] = [
    RotationFact(
      e: [0.6, -0.8, 1.5], q: [0.9, -0.2, 1.1], g: [0.1, -0.3, 0.25],
      expected: [-0.0319972481944, -0.284944918262, 0.144161609538],
      wrong: [0.184925828729, -0.158791072108, 0.208776994153]),
    RotationFact(e: [1, 0], q: [0, 2], g: [1, 0], expected: [0, -2], wrong: [0, 2]),
    RotationFact(e: [3, 4], q: [0.03, 0.05], g: [1, -2], expected: [0.0092, -0.0244]),
    RotationFact(
      e: [1, 0.2], q: [-0.5, 0.6], g: [0.7, 0.1],
      expected: [-0.188461538462, -0.507692307692]),
    RotationFact(
      e: [100.6, 99.2, 101.5], q: [100.9, 99.8, 101.1], g: [0.1, -0.3, 0.25],
      expected: [0.0992762402757, -0.30141962729, 0.249641746359]),
    RotationFact(
      e: [0.6, -0.8, 1.5], q: [0.9, -0.2, 1.1], g: [-0.58, 0.69, 0.6],
      expected: [-0.461763842406, 0.549339743552, 0.477686733524]),
  ]

  @Test(arguments: rotations)
  func theRotationTurnsTheGradientBack(_ fact: RotationFact) {
    let outcome = Self.quantize(
      fact.e, fact.q, dimension: fact.e.count, upstream: fact.g, gradient: .rotation,
      codebookWeight: 0, commitmentWeight: 0)
    let gradient = outcome.results["dz"]!
    #expect(largestDifference(gradient, fact.expected) < 2e-6)
    if let wrong = fact.wrong { #expect(largestDifference(gradient, wrong) > 0.1) }
    #expect(outcome.results["codes"] == fact.q, "the value is the code to the last bit")
    #expect(outcome.results["rotationFallbacks"] == [0])
    // The angle to the code before is the angle to the encoding after; the length is scaled.
    func cosine(_ a: [Float], _ b: [Float]) -> Float {
      func dot(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
    }
    #expect(abs(cosine(fact.e, gradient) - cosine(fact.q, fact.g)) < 1e-4)
  }

  /// ROT-1 with a scale of 1: turned as far, and as long as before.
  @Test func theRotationOfUnitScaleKeepsTheLength() {
    let fact = Self.rotations[0]
    let outcome = Self.quantize(
      fact.e, fact.q, dimension: 3, upstream: fact.g, gradient: .unitRotation, codebookWeight: 0,
      commitmentWeight: 0)
    let gradient = outcome.results["dz"]!
    #expect(
      largestDifference(gradient, [-0.0401902493188, -0.357906006089, 0.181074665994]) < 1e-6)
    #expect(outcome.results["codes"] == fact.q)
    #expect(outcome.results["rotationFallbacks"] == [0])
  }

  /// ROT-6: the code gets the part of the gradient along the way to it, the vector the rest.
  @Test func diveqSharesTheGradientOut() {
    let outcome = Self.quantize(
      [0.6, -0.8, 1.5], [0.9, -0.2, 1.1], dimension: 3, upstream: [0.1, -0.3, 0.25],
      gradient: .diveq, codebookWeight: 0, commitmentWeight: 0)
    #expect(outcome.results["codes"] == [0.9, -0.2, 1.1], "the value is the code to the last bit")
    let dz: [Float] = [0.222950819672, -0.0540983606557, 0.0860655737705]
    #expect(largestDifference(outcome.results["dz"]!, dz) < 1e-6)
    let dq: [Float] = [-0.122950819672, -0.245901639344, 0.16393442623]
    #expect(largestDifference(outcome.codebookGradient, dq) < 1e-6)
  }

  /// A code that two vectors share gets both their parts; a vector on its code keeps all.
  @Test func diveqAddsUpAndKeepsWhatHasNoDirection() {
    let outcome = Self.quantize(
      [1, 0, -1, 0, 0, 0], [0, 0], dimension: 2, upstream: [1, 2, 10, 20, 5, 7],
      gradient: .diveq, codebookWeight: 0, commitmentWeight: 0)
    #expect(outcome.results["dz"] == [0, 2, 0, 20, 5, 7])
    #expect(outcome.codebookGradient == [11, 0])
  }

  /// With codes far shorter than vectors the commitment drowns the turned gradient.
  @Test func shortCodesShrinkTheGradient() {
    func norm(_ x: [Float]) -> Float { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    func gradient(_ gradient: CodebookConfiguration.Gradient) -> Float {
      norm(
        Self.quantize(
          [3, 4], [0.03, 0.05], dimension: 2, upstream: [1, -2], gradient: gradient,
          codebookWeight: 0, commitmentWeight: 0
        ).results["dz"]!)
    }
    let commitment = Self.quantize(
      [3, 4], [0.03, 0.05], dimension: 2, upstream: [0, 0], gradient: .rotation)
    #expect(largestDifference(commitment.results["dz"]!, [1.485, 1.975]) < 1e-5)
    let pull = norm(commitment.results["dz"]!)
    #expect(abs(pull / gradient(.rotation) - 94.758594209) < 1e-2)
    #expect(abs(pull / gradient(.straightThrough) - 1.10506560891) < 1e-4)
  }

  /// Opposite or tiny vectors have no rotation: straight through, and counted.
  @Test(arguments: [
    ([Float(1), 0], [Float(-3), 0]), ([0, 0], [1, 1]), ([2, 1], [0, 0]), ([1e-8, 0], [0, 1]),
  ])
  func withoutARotationTheGradientPassesStraightThrough(_ e: [Float], _ q: [Float]) {
    let outcome = Self.quantize(
      e, q, dimension: 2, upstream: [0.3, -0.7], gradient: .rotation, codebookWeight: 0,
      commitmentWeight: 0)
    #expect(outcome.results["dz"] == [0.3, -0.7])
    #expect(outcome.results["codes"] == q)
    #expect(outcome.results["rotationFallbacks"] == [1])
  }
}
