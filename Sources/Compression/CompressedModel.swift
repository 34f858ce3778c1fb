import Autodiff
import Execution
import LowRank

/// How parts of a model are made smaller.
public enum CompressionMethod: String, Sendable, CaseIterable {
  /// Each layer becomes two, by a singular value decomposition of its weight.
  case svd
  /// Each residual block keeps some of its inner channels, by an interpolative decomposition of its
  /// activations.
  case id
}

/// How far a model is made smaller.
public enum CompressionGoal: Sendable, Equatable {
  /// Each part keeps this share of its energy: of the squares of its weights, or of its activations.
  case energy(Double)
  /// So much of the time, or of the parameters, is to remain.
  case share(Double, of: Budget)
  /// As small as it gets without losing more than so many dB of PSNR.
  case loss(Double)

  /// What is counted.
  public enum Budget: String, Sendable, CaseIterable {
    /// Measured seconds of encoding and decoding.
    case time
    /// Weights.
    case parameters
  }
}

/// A model that was made smaller.
public struct CompressedModel: Sendable {
  /// One part that is smaller now.
  public struct Part: Sendable {
    /// The layer, or the residual block.
    public let name: String
    /// Its rank, or its inner channels.
    public let size: Int
    /// What that was.
    public let wholeSize: Int
    /// What it cost.
    public let before: LayerCost
    /// What it costs.
    public let after: LayerCost
    /// The PSNR in dB that reducing it alone loses; nil where that was not measured.
    public let loss: Double?
  }

  /// What was made smaller, in the order of the model.
  public let parts: [Part]
  /// What of it goes into the configuration.
  public let layers: ReducedLayers
  /// The tensors that are new, in the order of a checkpoint, by name.
  public let tensors: [String: [Float]]
}

/// Why a model could not be compressed.
public enum CompressionError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Nothing becomes smaller within what was asked for.
  case nothingGained(reason: String)
  /// The budget cannot be met.
  case outOfReach(asked: Double, least: Double)
  /// A matrix that cannot be decomposed.
  case layer(String, LowRankError)

  /// What happened, and what to do.
  public var description: String {
    switch self {
    case .nothingGained(let reason): "nothing was gained: \(reason)"
    case .outOfReach(let asked, let least):
      "--keep \(asked): expected at least \((least * 1000).rounded(.up) / 1000), which the smallest ranks leave. "
        + "Keep more, or use another --method"
    case .layer(let name, let error): "\(name): \(error)"
    }
  }
}

// MARK: - The result

extension CompressedModel {
  /// The model in which some parts have smaller sizes.
  init<B: Backend>(
    _ chosen: [(reduction: any Reduction, size: Int, loss: Double?)], clock: LayerClock<B>
  ) throws {
    guard !chosen.isEmpty else {
      throw CompressionError.nothingGained(
        reason: "every part needs as much as it has. Keep a smaller share, or use another --method")
    }
    var layers = ReducedLayers()
    var tensors: [String: [Float]] = [:]
    parts = try chosen.map { reduction, size, loss in
      reduction.note(size: size, in: &layers)
      do throws(LowRankError) {
        tensors.merge(try reduction.tensors(size: size)) { $1 }
      } catch { throw CompressionError.layer(reduction.name, error) }
      return Part(
        name: reduction.name, size: size, wholeSize: reduction.wholeSize,
        before: clock.cost(reduction, size: nil), after: clock.cost(reduction, size: size),
        loss: loss)
    }
    (self.layers, self.tensors) = (layers, tensors)
  }

  /// Writes the weights of the compressed model: its own tensors, and of the whole model what stayed.
  public func write<B: Backend>(to small: ParameterMemory<B>, from whole: ParameterMemory<B>) {
    small.copy(whole, replacing: tensors)
  }
}

// MARK: - Any model

/// Makes the linear maps of any recorded model smaller by the energy of their weights.
public enum LayerFactorization {
  /// Factors of all layers of which two with that share of the energy are cheaper than the whole one.
  ///
  /// - Parameters:
  ///   - graph: the model's forward pass.
  ///   - parameters: its weights.
  ///   - share: the share of the squares of each weight that is kept.
  /// - Throws: ``CompressionError``.
  public static func compress<B: Backend>(
    _ graph: Graph, _ parameters: ParameterMemory<B>, keepingEnergy share: Double
  ) throws -> CompressedModel {
    let families = try Factorization.families(
      of: CompressibleLayer.all(in: graph).filter { $0.name != "lm_head" },
      parameters.tensors)
    return try CompressedModel(
      families.compactMap { family in
        family.chosen(keepingEnergy: share).map { ($0.reduction, $0.size, nil) }
      }, clock: LayerClock(on: parameters.backend))
  }
}

extension ParameterMemory {
  /// Takes over the tensors of another model by name, but for those that are given, in the order of a
  /// checkpoint.
  public func copy(_ other: ParameterMemory<B>, replacing tensors: [String: [Float]]) {
    for (index, parameter) in layout.parameters.enumerated() {
      write(
        tensors[parameter.name] ?? other.read(parameter: other.layout.index(of: parameter.name)!),
        toParameter: index)
    }
  }

  /// All tensors by name, in the order of a checkpoint.
  package var tensors: [String: [Float]] {
    Dictionary(
      uniqueKeysWithValues: layout.parameters.enumerated().map { ($1.name, read(parameter: $0)) })
  }
}
