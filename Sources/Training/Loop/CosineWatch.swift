import Autodiff
import Configuration
import Diagnostics
import Execution

/// Cosines between updates and gradients, and between successive gradients, by tensor, by module
/// and over all, at the steps that are diagnosed.
struct CosineWatch {
  /// The step whose gradient is kept for the next, if any is.
  var keptStep: Int?

  private let trained: [Int]
  private let names: [String]
  private let modules: [String]
  private var successive: SuccessiveGradients
  // What the last diagnosis found.
  private var cosines = NestedCosines(tensors: [], modules: [])
  private var successiveCosines: [Double?] = []
  private var decrease: Double?

  /// A watch over parameters, with the state of an earlier part of the run, or an empty one.
  ///
  /// - Parameters:
  ///   - module: the part of the model that a tensor belongs to.
  ///   - keptStep: the step whose gradient is in memory.
  init(_ layout: ParameterLayout, module: (String) -> String, state: [Double], keptStep: Int?) {
    trained = layout.parameters.indices.filter { layout.parameters[$0].isTrained }
    names = trained.map { layout.parameters[$0].name }
    modules = names.map(module)
    self.keptStep = keptStep
    let empty = SuccessiveGradients()
    successive = SuccessiveGradients(window: empty.window, state: state) ?? empty
  }

  /// Takes in a step that is diagnosed.
  ///
  /// - Parameter decrease: by how much the batch's loss fell, where it was measured.
  mutating func record(_ update: UpdateMeasurement, decrease: Double?) {
    let directions = trained.map { update.directions[$0] }
    cosines = NestedCosines(
      tensors: directions.map {
        .init(updateSquared: $0.motion, gradientSquared: $0.gradient, product: $0.product)
      }, modules: modules)
    self.decrease = decrease
    let pairs = directions.map {
      DirectionCosines.Sums(
        updateSquared: $0.keptGradient, gradientSquared: $0.gradient, product: $0.keptProduct)
    }
    successiveCosines = pairs.map(\.cosine)
    if let cosine = pairs.reduce(DirectionCosines.Sums(), +).cosine { successive.record(cosine) }
  }

  /// The numbers that a continuation needs.
  var state: [Double] { successive.state }

  // MARK: The log

  /// The line that names the tensors: `kind` is "tensors".
  var namesLine: JSONObject {
    JSONObject([
      "kind": .string("tensors"), "step": .integer(0),
      "names": .array(names.map(JSONValue.string)),
      "modules": .array(modules.map(JSONValue.string)),
    ])
  }

  /// The line of the last diagnosis: `kind` is "cosines".
  func line(step: Int) -> JSONObject {
    var line = JSONObject(["kind": .string("cosines"), "step": .integer(step)])
    let tensors = cosines.tensors
    line.add("cosine", tensors.global)
    line.add("kappa", tensors.kappa)
    line.add("localMean", tensors.localMean)
    line["zeroTensors"] = .integer(tensors.zeroGroups)
    let reversals = CosineReversals(tensors)
    line.add("margin", reversals.margin)
    if !reversals.names.isEmpty {
      line["simpson"] = .array(reversals.names.map(JSONValue.string))
    }
    line.add("predictedDecrease", tensors.predictedDecrease)
    line.add(
      "decreaseRatio",
      decrease.flatMap {
        AverageLossMonitor.localConvexity(
          measuredDecrease: $0, predictedDecrease: tensors.predictedDecrease)
      })
    line.add("successiveCosine", successive.last)
    line.add("noiseRatio", successive.noiseRatio)
    line["modules"] = .object(modulesObject)
    line["tensorCosines"] = .digits(tensors.locals)
    line["tensorUpdateShares"] = .digits(tensors.updateShares)
    line["tensorGradientShares"] = .digits(tensors.gradientShares)
    line["tensorDecreaseShares"] = .digits(tensors.decreaseShares)
    if successiveCosines.contains(where: { $0 != nil }) {
      line["tensorSuccessiveCosines"] = .digits(successiveCosines)
    }
    return line
  }

  private var modulesObject: JSONObject {
    var object = JSONObject()
    for (index, name) in cosines.names.enumerated() {
      var module = JSONObject()
      module.add("cosine", cosines.within[index].global)
      module.add("kappa", cosines.within[index].kappa)
      module.add("localMean", cosines.within[index].localMean)
      module.add("updateShare", cosines.modules.updateShares[index])
      module.add("gradientShare", cosines.modules.gradientShares[index])
      module.add("decreaseShare", cosines.modules.decreaseShares[index])
      object[name] = .object(module)
    }
    return object
  }
}
