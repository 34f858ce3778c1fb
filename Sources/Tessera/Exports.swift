// What a program needs beside the types of this module, so that `import Tessera` is enough.

// Images.
@_exported import struct Imaging.Image
@_exported import enum Imaging.ImageFormat
@_exported import struct Imaging.PixelColor

// What a run depends on.
@_exported import protocol Configuration.Configurable
@_exported import struct Configuration.ConfigurationError
@_exported import struct Datasets.DataConfiguration
@_exported import struct Tokenizers.BinarySphericalConfiguration
@_exported import struct Tokenizers.CosineConfiguration
@_exported import struct Tokenizers.FiniteScalarConfiguration
@_exported import struct Tokenizers.KLConfiguration
@_exported import struct Tokenizers.LookupFreeConfiguration
@_exported import struct Tokenizers.ModelConfiguration
@_exported import struct Tokenizers.PlainConfiguration
@_exported import struct Tokenizers.ProductConfiguration
@_exported import enum Tokenizers.QuantizerConfiguration
@_exported import struct Tokenizers.ResidualConfiguration
@_exported import struct Tokenizers.ResidualFiniteScalarConfiguration
@_exported import struct Tokenizers.SimVQConfiguration
@_exported import enum Tokenizers.TokenizerPart
@_exported import struct Tokenizers.VectorConfiguration
@_exported import struct Training.AdamConfiguration
@_exported import struct Training.AdamWConfiguration
@_exported import struct Training.AveragingConfiguration
@_exported import struct Training.DecayConfiguration
@_exported import struct Training.MonitorConfiguration
@_exported import enum Training.OptimizerConfiguration
@_exported import struct Training.RunConfiguration
@_exported import enum Training.ScheduleConfiguration
@_exported import struct Training.SGDConfiguration
@_exported import struct Training.TrainingConfiguration
@_exported import struct Training.WarmupConfiguration

// What a run tells.
@_exported import struct Diagnostics.LatentUse
@_exported import struct Evaluation.CodebookUsage
@_exported import struct Evaluation.DepthUsage
@_exported import struct Training.AveragesReport
@_exported import struct Training.EvaluationResult
@_exported import struct Training.StepReport
@_exported import struct Training.TrainingOverview

// What tokens are of.
@_exported import struct TokenFiles.TokenizerIdentity

// What a model of one's own is recorded with.
@_exported import Autodiff
@_exported import Layers
